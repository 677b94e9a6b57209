"""The provider of local CSV and Parquet files."""
