"""Promotion of candidates: evidence, gates, moves of the aliases, audit trail."""
