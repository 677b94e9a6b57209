"""Providers of daily bars behind one protocol."""
