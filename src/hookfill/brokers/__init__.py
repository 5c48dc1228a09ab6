"""Brokers: who fills an order."""
