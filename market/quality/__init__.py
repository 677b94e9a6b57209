"""Data quality of stored bars: suspicious sessions and the report on them."""
