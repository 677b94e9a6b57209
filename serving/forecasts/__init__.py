"""Forecast responses: computed from a snapshot, or from the bars of a caller."""
