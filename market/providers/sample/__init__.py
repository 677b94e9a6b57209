"""The provider of the sample: daily bars of five US stocks, without an account."""
