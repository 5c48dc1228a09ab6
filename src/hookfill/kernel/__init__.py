"""Words that every room shares: money, ids, reasons, clock. Imports nothing of ours."""
