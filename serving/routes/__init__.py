"""REST routes, one module for each concern."""
