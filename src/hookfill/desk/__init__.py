"""The desk: one account at a time, under its lock: gather → decide purely → apply."""
