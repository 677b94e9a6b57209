"""The call ledger: limits per second, minute and day, shared by all processes of a home."""
