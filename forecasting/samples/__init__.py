"""Training samples: targets, windows, scaling and walk-forward splits."""
