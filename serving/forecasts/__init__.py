"""Forecast responses: built, precomputed, or made from the caller's bars."""
