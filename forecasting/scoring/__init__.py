"""Scores on arrays and tests of their difference."""
