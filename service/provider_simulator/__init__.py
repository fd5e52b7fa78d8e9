"""A provider to try against, with faults by switches and a ledger that is the truth outside the service."""
