"""Indicator telemetry: each trade's life from signal to exit, statistics over trades, and what is missing in them."""
