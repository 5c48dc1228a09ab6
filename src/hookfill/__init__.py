"""Hookfill turns TradingView alerts into risk-checked trades: every alert kept, explained and filled exactly once."""
