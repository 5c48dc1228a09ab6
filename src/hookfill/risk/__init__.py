"""Risk: one small pure function per check, in one order; the first refusal wins, all results are kept."""
