"""Readings of cells: dates and numbers. The column as a whole decides on its format."""
