"""The command line: ``hookfill COMMAND``."""
