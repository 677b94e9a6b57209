"""Plots, Markdown tables and report files."""
