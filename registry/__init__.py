"""Versions in MLflow: logging and loading bundles, promotion, aliases, rollback, audit trail."""
