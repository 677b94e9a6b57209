"""Routes of tickers, prices and their analysis."""
