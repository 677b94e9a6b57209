"""The Alpha Vantage provider."""
