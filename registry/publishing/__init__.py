"""Logging of a candidate to MLflow, and its registration as a version."""
