"""The alert grammar: what TradingView users write, as one frozen ``Alert``."""
