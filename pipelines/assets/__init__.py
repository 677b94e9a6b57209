"""The assets, one module a group."""
