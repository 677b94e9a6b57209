"""What every room stands on: settings, errors, clocks, tickers, durable files and SQLite."""
