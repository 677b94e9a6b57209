"""The Yahoo Finance provider, through yfinance."""
