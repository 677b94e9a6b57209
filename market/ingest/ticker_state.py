"""What ingest remembers of each ticker beside its bars: when it was asked, and what came of it.

Bars are in `market.store`, calls in `market.quota.ledger`; what is due by these records is `planning`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from core.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ticker_records (
    ticker TEXT PRIMARY KEY,
    asked_at REAL, answered_at REAL,
    complete INTEGER NOT NULL DEFAULT 0,
    actions_through TEXT, actions_at REAL,
    quiet INTEGER NOT NULL DEFAULT 0, suspicion TEXT, doubt TEXT,
    failure TEXT, failed_at REAL, permanent INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0
)
"""
_INSTANTS = {"asked_at", "answered_at", "actions_at", "failed_at"}
_DATES = {"actions_through", "suspicion", "doubt"}
_FLAGS = {"complete", "permanent"}


@dataclass(frozen=True)
class TickerRecord:
    """What is remembered of one ticker; instants are in UTC.

    Attributes
    ----------
    asked_at, answered_at
        When its bars were last asked for, and when a provider last answered that.
    complete
        Whether its whole history was read once.
    actions_through
        The last session whose splits and dividends are known, as of then for all before it.
    actions_at
        When splits and dividends were last told, or asked for in vain.
    quiet
        Answers in a row that did not reach the last closed session; 1 after one that brought some
        new bar.
    suspicion
        The session of a bar that is held back until it is known whether its jump is a split.
    doubt
        The session of a stored bar that jumps like a split, though none is listed so far.
    failure, failed_at, permanent
        The newest refusal since the last answer, and whether trying again changes nothing.
    failures
        Permanent failures in a row.
    """

    ticker: str
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    complete: bool = False
    actions_through: date | None = None
    actions_at: datetime | None = None
    quiet: int = 0
    suspicion: date | None = None
    doubt: date | None = None
    failure: str | None = None
    failed_at: datetime | None = None
    permanent: bool = False
    failures: int = 0


_COLUMNS = tuple(field.name for field in fields(TickerRecord))


class TickerRecords:
    """The records of all tickers of a home; any number of processes share them.

    Parameters
    ----------
    path
        The SQLite file of the home; made when needed.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def of(self, ticker: str) -> TickerRecord:
        """Return the record of one ticker, an empty one when nothing is remembered."""
        with self._database.reading() as db:
            row = db.execute("SELECT * FROM ticker_records WHERE ticker = ?", (ticker,)).fetchone()
        return TickerRecord(ticker) if row is None else _record(row)

    def read(self, tickers: Iterable[str] | None = None) -> dict[str, TickerRecord]:
        """Return the records there are, of some tickers or of all."""
        with self._database.reading() as db:
            rows = db.execute("SELECT * FROM ticker_records ORDER BY ticker").fetchall()
        wanted = None if tickers is None else {*tickers}
        found = (row for row in rows if wanted is None or row["ticker"] in wanted)
        return {row["ticker"]: _record(row) for row in found}

    def update(self, ticker: str, **values: object) -> None:
        """Change some attributes of a ticker's record, on disk when this returns.

        Others stay as they are, also those that another process changes at the same time.
        """
        written = {name: _written(name, value) for name, value in values.items()}
        assigned = ", ".join(f"{name} = ?" for name in written)
        with self._database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO ticker_records (ticker) VALUES (?)", (ticker,))
            db.execute(
                f"UPDATE ticker_records SET {assigned} WHERE ticker = ?",  # noqa: S608  # our names
                (*written.values(), ticker),
            )


def _written(name: str, value: object) -> object:
    if name not in _COLUMNS:
        msg = f"`values` must be attributes of a record, {', '.join(_COLUMNS)}; got {name}."
        raise TypeError(msg)
    if isinstance(value, datetime):
        return value.timestamp()
    return value.isoformat() if isinstance(value, date) else value


def _record(row: sqlite3.Row) -> TickerRecord:
    return TickerRecord(**{name: _read(name, row[name]) for name in _COLUMNS})


def _read(name: str, value: Any) -> Any:  # noqa: ANN401  # columns differ in type
    if value is None:
        return None
    if name in _INSTANTS:
        return datetime.fromtimestamp(value, UTC)
    if name in _DATES:
        return date.fromisoformat(value)
    return bool(value) if name in _FLAGS else value
