"""Daily prices: bar contract, calendars, providers, ingest, storage and quality checks."""
