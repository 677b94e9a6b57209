"""Exchanges of single tickers that their suffix does not name: set by the user, or seen in bars."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from core.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ticker_exchanges (
    ticker TEXT PRIMARY KEY, exchange TEXT NOT NULL, is_named INTEGER NOT NULL
)
"""
_MAX_AGE_SECONDS = 5.0


class ExchangeChoices:
    """The exchanges of single tickers, which all processes with the same home share.

    Parameters
    ----------
    path
        The SQLite file of the home. Reading does not create it.
    """

    # A change in one object must be seen by all others of the process at once.
    _n_changes = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(path, _SCHEMA)
        self._rows: dict[str, tuple[str, bool]] = {}
        self._read_at = (-1, 0.0)

    def get(self, ticker: str) -> str | None:
        """Return the exchange of a ticker, or None if its suffix decides."""
        row = self._read().get(ticker)
        return None if row is None else row[0]

    def is_named(self, ticker: str) -> bool:
        """Return whether the user has named the exchange of a ticker."""
        return self._read().get(ticker, ("", False))[1]

    def name(self, exchanges: Mapping[str, str]) -> None:
        """Replace the exchanges that the user has named."""
        rows = self._read(force=True)
        if exchanges == {ticker: name for ticker, (name, is_named) in rows.items() if is_named}:
            return
        values = [(ticker, exchange) for ticker, exchange in exchanges.items()]
        with self._database.transaction() as db:
            db.execute("DELETE FROM ticker_exchanges WHERE is_named")
            db.executemany("INSERT OR REPLACE INTO ticker_exchanges VALUES (?, ?, 1)", values)
        ExchangeChoices._n_changes += 1

    def observe(self, ticker: str, exchange: str | None) -> None:
        """Record the exchange that the bars follow; None if the suffix names it."""
        row = self._read(force=True).get(ticker)
        if (row and row[1]) or (None if row is None else row[0]) == exchange:
            return
        with self._database.transaction() as db:
            db.execute("DELETE FROM ticker_exchanges WHERE ticker = ?", (ticker,))
            if exchange is not None:
                db.execute("INSERT INTO ticker_exchanges VALUES (?, ?, 0)", (ticker, exchange))
        ExchangeChoices._n_changes += 1

    def _read(self, *, force: bool = False) -> dict[str, tuple[str, bool]]:
        n_changes, read_at = self._read_at
        is_new = n_changes == ExchangeChoices._n_changes
        if not force and is_new and time.monotonic() - read_at < _MAX_AGE_SECONDS:
            return self._rows
        self._read_at = (ExchangeChoices._n_changes, time.monotonic())
        if not self._path.exists():
            self._rows = {}
            return self._rows
        with self._database.connection() as db:
            rows = db.execute("SELECT ticker, exchange, is_named FROM ticker_exchanges").fetchall()
        self._rows = {ticker: (exchange, bool(is_named)) for ticker, exchange, is_named in rows}
        return self._rows
