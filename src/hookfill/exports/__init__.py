"""Indicator exports: batches, the two ledgers that they are imported into, and how these compare with the journal."""
