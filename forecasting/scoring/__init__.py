"""Scores of forecasts, and tests of their difference."""
