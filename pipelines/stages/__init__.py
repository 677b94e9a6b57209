"""Cached results that assets hand to each other."""
