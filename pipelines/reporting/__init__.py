"""Plots, tables and files that people open."""
