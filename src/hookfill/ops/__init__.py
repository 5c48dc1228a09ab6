"""Running Hookfill: its health, and the checks that a running installation makes of itself."""
