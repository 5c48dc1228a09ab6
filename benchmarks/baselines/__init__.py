"""What Hookfill is measured against."""
