"""Candles, quotes, instruments, calendars and indicators: what is known of the markets."""
