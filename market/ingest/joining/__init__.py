"""Comparison of fetched bars with stored ones, and their joint history."""
