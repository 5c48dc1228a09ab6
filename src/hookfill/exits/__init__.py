"""Exits: when to leave a position (pure)."""
