"""The inbox: every message on disk before it is answered, duplicates told from genuine repeats."""
