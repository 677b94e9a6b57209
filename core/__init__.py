"""Foundation of all packages: settings, errors, clocks, tickers, atomic files and SQLite."""
