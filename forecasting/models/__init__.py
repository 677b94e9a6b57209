"""Forecasters: the references naive and GARCH, the members, and their ensemble."""
