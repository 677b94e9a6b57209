"""Decisions before an ingest: due tasks, catch-up runs, and what the calls of a key suffice for."""
