"""Versions: logging and loading bundles in MLflow, promotion, aliases, rollback and the audit trail."""
