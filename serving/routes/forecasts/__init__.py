"""Routes of forecasts, past forecasts and their changes."""
