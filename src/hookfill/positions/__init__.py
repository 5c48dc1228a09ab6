"""Positions: fills become positions, profit and loss (pure)."""
