"""Out-of-sample evaluation: walk-forward, combination, scorecard."""
