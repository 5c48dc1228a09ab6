"""``python -m hookfill`` is the command line."""

from hookfill.cli.main import run

run()
