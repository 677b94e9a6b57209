"""Routes of model versions and their training."""
