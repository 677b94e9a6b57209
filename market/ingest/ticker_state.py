"""The ingest state of each ticker: its last requests, their results and its open questions.

Bars are stored by `market.store`; `market.ingest.planning` derives the due tasks from these states.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from core.errors import (
    BarsError,
    PermanentError,
    ReconciliationError,
    StockcastError,
    UnknownTickerError,
)
from core.sqlite import Database

# Errors that cost a call and concern one ticker only. Requests for the ticker are backed off.
_TICKER_ERRORS = (UnknownTickerError, BarsError, ReconciliationError)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ticker_records (
    ticker TEXT PRIMARY KEY,
    asked_at REAL, answered_at REAL,
    complete INTEGER NOT NULL DEFAULT 0,
    actions_through TEXT, actions_at REAL,
    quiet INTEGER NOT NULL DEFAULT 0, suspicion TEXT, doubt TEXT,
    failure TEXT, failed_at REAL, permanent INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS source_versions (ticker TEXT PRIMARY KEY, version TEXT NOT NULL)
"""
# Field -> column. The columns keep the names of homes that exist already.
_COLUMNS = {
    "ticker": "ticker",
    "requested_at": "asked_at",
    "responded_at": "answered_at",
    "has_full_history": "complete",
    "actions_through": "actions_through",
    "actions_at": "actions_at",
    "stale_responses": "quiet",
    "withheld_from": "suspicion",
    "unconfirmed_jump": "doubt",
    "last_error": "failure",
    "failed_at": "failed_at",
    "is_permanent": "permanent",
    "permanent_failures": "failures",
}
# Values of the fields that describe failures, after a success.
NO_FAILURE: dict[str, object] = {
    "last_error": None,
    "failed_at": None,
    "is_permanent": False,
    "permanent_failures": 0,
}
_INSTANTS = {"requested_at", "responded_at", "actions_at", "failed_at"}
_DATES = {"actions_through", "withheld_from", "unconfirmed_jump"}
_FLAGS = {"has_full_history", "is_permanent"}


@dataclass(frozen=True)
class TickerState:
    """The ingest state of one ticker; instants are in UTC.

    Attributes
    ----------
    requested_at, responded_at
        The last request for its bars, and the last successful response.
    has_full_history
        Whether the whole history was fetched at least once.
    actions_through
        The last session up to which splits and dividends are known without a gap.
    actions_at
        The last fetch of splits and dividends, including one that failed permanently.
    stale_responses
        Consecutive responses that did not reach the last closed session. A response with some new
        bar counts as the first one.
    withheld_from
        The first session that is not stored, because its close jumps like a split and splits could
        not be fetched.
    unconfirmed_jump
        The session of a stored bar that jumps like a split although the provider lists none yet.
    last_error, failed_at, is_permanent
        The newest error since the last successful response, and whether a retry cannot help.
    permanent_failures
        Consecutive permanent failures.
    """

    ticker: str
    requested_at: datetime | None = None
    responded_at: datetime | None = None
    has_full_history: bool = False
    actions_through: date | None = None
    actions_at: datetime | None = None
    stale_responses: int = 0
    withheld_from: date | None = None
    unconfirmed_jump: date | None = None
    last_error: str | None = None
    failed_at: datetime | None = None
    is_permanent: bool = False
    permanent_failures: int = 0


def failure_changes(
    state: TickerState, error: StockcastError, now: datetime, *, is_actions: bool
) -> dict[str, object]:
    """Return the fields of a state that a failed request changes.

    Consecutive permanent errors of the ticker itself back off its requests.

    Parameters
    ----------
    is_actions
        Whether the request was one for splits and dividends.
    """
    is_permanent = isinstance(error, PermanentError)
    changes = {"last_error": str(error), "failed_at": now, "is_permanent": is_permanent}
    if is_actions:
        return changes | {"is_permanent": False} | ({"actions_at": now} if is_permanent else {})
    if is_permanent:
        is_of_ticker = isinstance(error, _TICKER_ERRORS)
        changes["permanent_failures"] = state.permanent_failures + 1 if is_of_ticker else 1
    return changes


class TickerStateStore:
    """The states of all tickers of a home, shared by any number of processes.

    Parameters
    ----------
    path
        The SQLite file of the home; created when needed.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def get(self, ticker: str) -> TickerState:
        """Return the state of one ticker, with default values for a new ticker."""
        with self._database.connection() as db:
            row = db.execute("SELECT * FROM ticker_records WHERE ticker = ?", (ticker,)).fetchone()
        return TickerState(ticker) if row is None else _from_row(row)

    def read(self, tickers: Iterable[str] | None = None) -> dict[str, TickerState]:
        """Return the stored states of `tickers`, or of all tickers, sorted by ticker."""
        with self._database.connection() as db:
            rows = db.execute("SELECT * FROM ticker_records ORDER BY ticker").fetchall()
        wanted = None if tickers is None else {*tickers}
        return {
            row["ticker"]: _from_row(row)
            for row in rows
            if wanted is None or row["ticker"] in wanted
        }

    def source_versions(self) -> dict[str, str]:
        """Return the version of the local data that the last ingest of each ticker has read.

        Ingests that failed permanently count too. See
        `market.providers.protocol.LocalProvider.source_version`.
        """
        with self._database.connection() as db:
            return dict(map(tuple, db.execute("SELECT ticker, version FROM source_versions")))

    def record_source_version(self, ticker: str, version: str) -> None:
        """Record the version of the local data that an ingest of `ticker` has read."""
        with self._database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO source_versions VALUES (?, ?)", (ticker, version))

    def rename(self, old: str, new: str) -> None:
        """Move the state of the ticker `old` to `new`, unless `new` has one."""
        with self._database.transaction() as db:
            for table in ("ticker_records", "source_versions"):
                db.execute(f"UPDATE OR IGNORE {table} SET ticker = ? WHERE ticker = ?", (new, old))  # noqa: S608  # our names

    def update(self, ticker: str, **values: object) -> None:
        """Change some fields of a ticker's state; they are on disk when this method returns.

        Other fields keep their values, including changes by concurrent processes.

        Raises
        ------
        TypeError
            When a name in `values` is not a field of `TickerState`.
        """
        columns = {_column(name): _to_sql(value) for name, value in values.items()}
        assigned = ", ".join(f"{column} = ?" for column in columns)
        with self._database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO ticker_records (ticker) VALUES (?)", (ticker,))
            db.execute(
                f"UPDATE ticker_records SET {assigned} WHERE ticker = ?",  # noqa: S608  # our names
                (*columns.values(), ticker),
            )


def _column(name: str) -> str:
    if name not in _COLUMNS:
        msg = f"`values` must be fields of `TickerState` ({', '.join(_COLUMNS)}), got {name!r}."
        raise TypeError(msg)
    return _COLUMNS[name]


def _to_sql(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    return value.isoformat() if isinstance(value, date) else value


def _from_row(row: sqlite3.Row) -> TickerState:
    return TickerState(**{name: _from_sql(name, row[column]) for name, column in _COLUMNS.items()})


def _from_sql(name: str, value: Any) -> Any:  # noqa: ANN401  # columns differ in type
    if value is None:
        return None
    if name in _INSTANTS:
        return datetime.fromtimestamp(value, UTC)
    if name in _DATES:
        return date.fromisoformat(value)
    return bool(value) if name in _FLAGS else value
