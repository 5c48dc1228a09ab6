"""What Hookfill's speed is, each figure against a reference measured in the same run; see README.md."""
