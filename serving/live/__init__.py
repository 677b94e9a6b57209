"""Live forecasts, and the followers that refresh them."""
