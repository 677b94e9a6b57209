"""Forecast service: an HTTP API over the champion bundle and the published feature windows."""
