"""Model registry on MLflow: logging and loading bundles, promotion, aliases and audit trail."""
