"""Ingest: plan due tasks, fetch bars, reconcile them with stored bars, and store the result."""
