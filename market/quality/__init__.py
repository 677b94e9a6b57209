"""Data quality of stored bars: findings and the report on them."""
