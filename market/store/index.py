"""The SQLite index of a bar store: the file of each ticker, and a journal of bars without a file.

Transactions of SQLite are atomic and durable. `market.store.files` reads and writes the files.
"""

# ruff: noqa: S608  statements are built from constants only; values are bound
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from core.errors import BarsError, PermanentError
from core.sqlite import Database
from market.bars.contract import BAR_SCHEMA

# Sorts after every ticker.
END = "\x7f"
LOCATION_SCHEMA = pl.Schema(
    {
        "ticker": pl.String(),
        "file": pl.String(),
        "start": pl.Int64(),
        "bars": pl.Int64(),
        "last": pl.Int32(),
    }
)
_JOURNAL_SCHEMA = pl.Schema({**BAR_SCHEMA, "session": pl.Int32()})
_KINDS = {pl.String(): "TEXT", pl.Int32(): "INTEGER", pl.Int64(): "INTEGER", pl.Float64(): "REAL"}
_EPOCH = date(1970, 1, 1).toordinal()
_MIN_SESSION = -(2**31)
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _columns(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {_KINDS[kind]}" for name, kind in schema.items())


# The table `placed` has the locations; its name is part of the format on disk.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS journal
    ({_columns(_JOURNAL_SCHEMA)}, PRIMARY KEY (ticker, session)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS placed ({_columns(LOCATION_SCHEMA)}, PRIMARY KEY (ticker)) WITHOUT ROWID;
"""
_AMONG = "ticker IN (SELECT value FROM json_each(?))"
_BETWEEN = "ticker >= ? AND ticker < ?"


@dataclass(frozen=True)
class IndexSnapshot:
    """The entries of some tickers at one instant.

    Attributes
    ----------
    locations
        One row per ticker, `LOCATION_SCHEMA`: its file, the row of its first bar in the file, the
        number of its bars, and its last session in days since 1970-01-01.
    journal
        The bars that are in no file yet, or replace bars of a file: bar contract, sorted by key.
    last_journaled
        The last session of each ticker in the journal, in days since 1970-01-01.
    """

    locations: pl.DataFrame
    journal: pl.DataFrame
    last_journaled: dict[str, int]


@dataclass(frozen=True)
class FileSpan:
    """The tickers from `lower` (included) to `upper` (excluded), in one file or none.

    `in_file` and `in_journal` are numbers of bars.
    """

    lower: str
    upper: str
    file: str | None
    in_file: int
    in_journal: int


class Index:
    """The index within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._execute_many = connection.executemany

    def snapshot(
        self, tickers: Sequence[str] | None = None, since: date | None = None
    ) -> IndexSnapshot:
        """Return the entries of `tickers` (by default all), and their journal from `since` on."""
        condition = "1"
        values: tuple[str, ...] = ()
        if tickers is not None:
            condition, values = _AMONG, (json.dumps(list(tickers)),)
        first = since.toordinal() - _EPOCH if since else _MIN_SESSION
        last_journaled = self._execute(
            f"SELECT ticker, max(session) FROM journal WHERE {condition} GROUP BY ticker", values
        )
        return IndexSnapshot(
            self._locations(f"{condition} ORDER BY ticker", values),
            self._journal(f"{condition} AND session >= ?", (*values, first)),
            dict(last_journaled.fetchall()),
        )

    def file_names(self) -> set[str]:
        """Return the names of the current files."""
        return {name for (name,) in self._execute("SELECT DISTINCT file FROM placed")}

    def locations_in(self, file: str) -> pl.DataFrame:
        """Return the locations of the tickers in one file, `LOCATION_SCHEMA`, in order."""
        return self._locations("file = ? ORDER BY start", (file,))

    def journal_of(self, span: FileSpan) -> pl.DataFrame:
        """Return the journal of the tickers of a span: bar contract, sorted by key."""
        return self._journal(_BETWEEN, (span.lower, span.upper))

    def spans(self) -> list[FileSpan]:
        """Return the spans of all files in order; together they cover every possible ticker."""
        files = self._execute(
            "SELECT file, min(ticker), sum(bars) FROM placed GROUP BY file ORDER BY 2"
        ).fetchall() or [(None, "", 0)]
        lowers = ["", *(lower for _, lower, _ in files[1:])]
        count = f"SELECT count(*) FROM journal WHERE {_BETWEEN}"
        return [
            FileSpan(lower, upper, file, bars, self._execute(count, (lower, upper)).fetchone()[0])
            for lower, upper, (file, _, bars) in zip(lowers, [*lowers[1:], END], files, strict=True)
        ]

    def add(self, bars: pl.DataFrame) -> None:
        """Insert bars into the journal, or replace the bars with the same keys."""
        marks = ", ".join("?" * len(BAR_SCHEMA))
        rows = bars.with_columns(pl.col("session").to_physical()).iter_rows()
        self._execute_many(f"INSERT OR REPLACE INTO journal VALUES ({marks})", rows)

    def replace(self, span: FileSpan, locations: pl.DataFrame) -> None:
        """Replace the file and the journal of a span by the locations in new files."""
        self._execute(f"DELETE FROM journal WHERE {_BETWEEN}", (span.lower, span.upper))
        self.remove_files({span.file} if span.file else set())
        marks = ", ".join("?" * len(LOCATION_SCHEMA))
        rows = locations.select(LOCATION_SCHEMA.names()).iter_rows()
        self._execute_many(f"INSERT INTO placed VALUES ({marks})", rows)

    def remove_files(self, files: set[str]) -> None:
        """Remove the locations of all tickers in `files`."""
        self._execute_many("DELETE FROM placed WHERE file = ?", [(name,) for name in files])

    def remove_tickers(self, tickers: Sequence[str]) -> None:
        """Remove the locations and the journal of some tickers."""
        for table in ("placed", "journal"):
            self._execute(f"DELETE FROM {table} WHERE {_AMONG}", (json.dumps(list(tickers)),))

    def is_recovered(self) -> bool:
        """Return whether a recovery has run since the index was created."""
        return bool(self._pragma("user_version"))

    def mark_recovered(self) -> None:
        """Record that a recovery has run."""
        self._execute("PRAGMA user_version = 1")

    def size(self) -> int:
        """Return the bytes in use, nearly all of them by the journal, without a scan."""
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return int(self._execute(f"PRAGMA {name}").fetchone()[0])

    def _locations(self, condition: str, values: tuple[str, ...]) -> pl.DataFrame:
        rows = self._execute(f"SELECT * FROM placed WHERE {condition}", values)
        return _frame(rows, LOCATION_SCHEMA)

    def _journal(self, condition: str, values: tuple[str | int, ...]) -> pl.DataFrame:
        rows = self._execute(
            f"SELECT * FROM journal WHERE {condition} ORDER BY ticker, session", values
        )
        return _frame(rows, _JOURNAL_SCHEMA).cast({"session": pl.Date})


@contextmanager
def open_for_reading(path: Path) -> Iterator[Index]:
    """Open the index at one instant without blocking writers; without a file it is empty."""
    if path.exists():
        with _explain_damage(path), Database(path, _SCHEMA).connection() as connection:
            connection.row_factory = None
            connection.execute("BEGIN")
            yield Index(connection)
    else:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(_SCHEMA)
            yield Index(connection)


@contextmanager
def open_for_writing(path: Path) -> Iterator[Index]:
    """Open the index in a transaction, which is on disk at the end or rolled back on an error."""
    with _explain_damage(path), Database(path, _SCHEMA).transaction() as connection:
        connection.row_factory = None
        yield Index(connection)


def open_idle_connection(path: Path) -> sqlite3.Connection:
    """Open a connection that a process with many writes keeps open.

    SQLite removes its log when the last connection closes, which costs four more disk syncs.
    """
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("SELECT 1 FROM placed LIMIT 1").fetchall()
    return connection


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE_CODES:
            raise
        msg = (
            f"The index of the bar store, {path}, is damaged ({error.__cause__}); move it away: "
            f"the next use creates a new one from the Parquet files in its folder. Sessions that "
            f"are not in these files must be ingested again."
        )
        raise BarsError(msg) from error


def _frame(rows: sqlite3.Cursor, schema: pl.Schema) -> pl.DataFrame:
    columns = list(zip(*rows.fetchall(), strict=True))
    return pl.DataFrame(columns, schema=schema, orient="col") if columns else schema.to_frame()
