"""Routes of health, progress and request times."""
