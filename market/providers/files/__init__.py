"""The provider of your own CSV and Parquet files."""
