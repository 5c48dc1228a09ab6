"""The JSON API for people and programs."""
