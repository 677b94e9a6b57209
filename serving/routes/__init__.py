"""REST routes, one module a concern."""
