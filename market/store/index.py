"""The index of a bar store: which file holds which tickers, and the bars that no file holds yet.

It is SQLite, so that what a transaction changes is whole, and on disk when it ends. The files are
read and written in `market.store.files`.
"""

# ruff: noqa: S608  what is put together here are constants; values are bound
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

# Sorts behind every ticker.
END = "\x7f"
PLACED_SCHEMA = pl.Schema(
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
_EVER = -(2**31)
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _columns(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {_KINDS[kind]}" for name, kind in schema.items())


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS journal
    ({_columns(_JOURNAL_SCHEMA)}, PRIMARY KEY (ticker, session)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS placed ({_columns(PLACED_SCHEMA)}, PRIMARY KEY (ticker)) WITHOUT ROWID;
"""
_AMONG = "ticker IN (SELECT value FROM json_each(?))"
_BETWEEN = "ticker >= ? AND ticker < ?"


@dataclass(frozen=True)
class Look:
    """What the index said at one instant of some tickers.

    Attributes
    ----------
    placed
        A row a ticker: its file, the row there of its first bar, their number, its last session.
    journal
        The bars that no file holds yet, or that replace bars of a file: bar contract, sorted.
    journaled
        The last session in the journal of each ticker there, in days since 1970.
    """

    placed: pl.DataFrame
    journal: pl.DataFrame
    journaled: dict[str, int]


@dataclass(frozen=True)
class FileSpan:
    """Tickers from `lower` to before `upper`, which one file holds, or none; bars counted."""

    lower: str
    upper: str
    file: str | None
    in_file: int
    in_journal: int


class Index:
    """The index in one transaction: it sees one instant, and what it changed itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ask = connection.execute
        self._tell_many = connection.executemany

    def look(self, tickers: Sequence[str] | None = None, since: date | None = None) -> Look:
        """Return what is known of `tickers`, or of all; of the journal, bars from `since` on."""
        which, chosen = (_AMONG, (json.dumps(list(tickers)),)) if tickers is not None else ("1", ())
        first = since.toordinal() - _EPOCH if since else _EVER
        journaled = self._ask(
            f"SELECT ticker, max(session) FROM journal WHERE {which} GROUP BY ticker", chosen
        )
        return Look(
            self._placed(f"{which} ORDER BY ticker", chosen),
            self._journal(f"{which} AND session >= ?", (*chosen, first)),
            dict(journaled.fetchall()),
        )

    def files(self) -> set[str]:
        """Return the names of the files that the index knows."""
        return {name for (name,) in self._ask("SELECT DISTINCT file FROM placed")}

    def placed_in(self, file: str) -> pl.DataFrame:
        """Return where the tickers of one file are (`PLACED_SCHEMA`), in order."""
        return self._placed("file = ? ORDER BY start", (file,))

    def journal_of(self, span: FileSpan) -> pl.DataFrame:
        """Return the bars in the journal of the span's tickers: bar contract, sorted."""
        return self._journal(_BETWEEN, (span.lower, span.upper))

    def spans(self) -> list[FileSpan]:
        """Return the spans of all files in order, which cover all tickers that there can be."""
        files = self._ask(
            "SELECT file, min(ticker), sum(bars) FROM placed GROUP BY file ORDER BY 2"
        ).fetchall() or [(None, "", 0)]
        lowers = ["", *(lower for _, lower, _ in files[1:])]
        count = f"SELECT count(*) FROM journal WHERE {_BETWEEN}"
        return [
            FileSpan(lower, upper, file, bars, self._ask(count, (lower, upper)).fetchone()[0])
            for lower, upper, (file, _, bars) in zip(lowers, [*lowers[1:], END], files, strict=True)
        ]

    def add(self, bars: pl.DataFrame) -> None:
        """Write bars into the journal, in place of those with the same key."""
        marks = ", ".join("?" * len(BAR_SCHEMA))
        rows = bars.with_columns(pl.col("session").to_physical()).iter_rows()
        self._tell_many(f"INSERT OR REPLACE INTO journal VALUES ({marks})", rows)

    def replace(self, span: FileSpan, placed: pl.DataFrame) -> None:
        """Let new files take the place of a span's file and journal."""
        self._ask(f"DELETE FROM journal WHERE {_BETWEEN}", (span.lower, span.upper))
        self.forget({span.file} if span.file else set())
        marks = ", ".join("?" * len(PLACED_SCHEMA))
        rows = placed.select(PLACED_SCHEMA.names()).iter_rows()
        self._tell_many(f"INSERT INTO placed VALUES ({marks})", rows)

    def forget(self, files: set[str]) -> None:
        """Take the tickers in these files for not stored."""
        self._tell_many("DELETE FROM placed WHERE file = ?", [(name,) for name in files])

    def is_settled(self) -> bool:
        """Whether the files beside the index were gone through since it was made."""
        return bool(self._pragma("user_version"))

    def mark_settled(self) -> None:
        """Note that the files beside the index were gone through."""
        self._ask("PRAGMA user_version = 1")

    def size(self) -> int:
        """Return the bytes in use, nearly all of them the journal's; it costs no scan."""
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return int(self._ask(f"PRAGMA {name}").fetchone()[0])

    def _placed(self, which: str, values: tuple[str, ...]) -> pl.DataFrame:
        return _frame(self._ask(f"SELECT * FROM placed WHERE {which}", values), PLACED_SCHEMA)

    def _journal(self, which: str, values: tuple[str | int, ...]) -> pl.DataFrame:
        rows = self._ask(f"SELECT * FROM journal WHERE {which} ORDER BY ticker, session", values)
        return _frame(rows, _JOURNAL_SCHEMA).cast({"session": pl.Date})


@contextmanager
def reading(path: Path) -> Iterator[Index]:
    """Give the index at one instant; writers do not wait for it. No file, no bars."""
    if path.exists():
        with _explained(path), Database(path, _SCHEMA).connection() as connection:
            connection.row_factory = None
            connection.execute("BEGIN")
            yield Index(connection)
    else:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(_SCHEMA)
            yield Index(connection)


@contextmanager
def writing(path: Path) -> Iterator[Index]:
    """Give the index to be changed: all of it at the end, on disk, or nothing after an error."""
    with _explained(path), Database(path, _SCHEMA).transaction() as connection:
        connection.row_factory = None
        yield Index(connection)


def anchor(path: Path) -> sqlite3.Connection:
    """Return an idle connection to the index, to be held by a process that writes often.

    When the last one closes, SQLite puts its log away, which costs four more waits for the disk.
    """
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("SELECT 1 FROM placed LIMIT 1").fetchall()
    return connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in _DAMAGES:
            raise
        msg = (
            f"the index of the bar store, {path}, is damaged ({error.__cause__}); move it away: "
            f"the next use makes a new one from the Parquet files beside it, and sessions that "
            f"were not in them yet must be ingested again."
        )
        raise BarsError(msg) from error


def _frame(rows: sqlite3.Cursor, schema: pl.Schema) -> pl.DataFrame:
    columns = list(zip(*rows.fetchall(), strict=True))
    return pl.DataFrame(columns, schema=schema, orient="col") if columns else schema.to_frame()
