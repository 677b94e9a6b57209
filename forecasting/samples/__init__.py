"""Training samples: targets, windows, scaling, walk-forward splits."""
