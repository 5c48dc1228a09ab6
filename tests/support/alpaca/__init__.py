"""A stand-in for Alpaca, which speaks the JSON that its documents describe."""
