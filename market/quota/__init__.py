"""Quota ledger: limits of calls to providers, shared by all processes."""
