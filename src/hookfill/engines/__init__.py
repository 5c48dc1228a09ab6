"""Engines judge a signal: ``direct`` takes the alert's word, ``rules`` (engine A) asks the candles."""
