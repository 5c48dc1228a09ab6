"""Market data that is fetched: one port, what is stored behind it, and Alpaca behind it."""
