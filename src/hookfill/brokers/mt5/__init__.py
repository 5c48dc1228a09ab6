"""MetaTrader 5: jobs that an agent beside the terminal carries out, and what it tells back."""
