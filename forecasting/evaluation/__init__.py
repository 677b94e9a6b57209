"""Out-of-sample evaluation: walk-forward forecasts, their combination, and scores."""
