"""Logging a candidate and registering it as a version."""
