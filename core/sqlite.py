"""The small SQLite file that processes of one home share: calls, health and records of tickers.

Tables belong to the modules that use them. Bars are Parquet and live in `market.store`.

Like every SQLite file with a write-ahead log it must be on a disk of this machine, not on a network
share: all its users run under one kernel, containers included.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from weakref import WeakSet

from core.errors import PermanentError, StockcastError, TransientError
from core.files import locked

# Writers wait for each other; a transaction here takes a millisecond or two.
_BUSY_SECONDS = 30.0


class Database:
    """One SQLite file in WAL mode; every use opens its own connection, so any thread may.

    Parameters
    ----------
    path
        The file; made with its folder at the first use.
    schema
        ``CREATE ... IF NOT EXISTS`` statements, run at every use: that costs 0.02 ms, and the file
        may be moved away under a running process.
    busy_seconds
        How long to wait for other processes.
    """

    def __init__(self, path: Path, schema: str, *, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.path = path
        self._schema = schema
        self._busy_seconds = busy_seconds
        self._keeper: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self, *, is_durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Give a connection that holds the write lock; commit at the end, roll back on an error.

        What was committed survives a kill. It survives a power cut too when it `is_durable`, for
        which the commit waits for the disk.

        Raises
        ------
        TransientError
            When another process keeps the lock.
        PermanentError
            When the file is damaged or cannot be opened or written.
        """
        with self.reading() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for looking; it takes no lock that a writer would wait for.

        Raises
        ------
        TransientError, PermanentError
            As `transaction` does.
        """
        try:
            with closing(self._connect()) as connection:
                connection.executescript(self._schema)
                if self._keeper is None:
                    self._stay_open()
                yield connection
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _stay_open(self) -> None:
        """Keep a connection that does nothing.

        The last one that closes the file writes it out whole, and waits for the disk four times;
        with this that is seldom us.
        """
        self._keeper = self._connect()
        self._keeper.execute("SELECT 1 FROM sqlite_master").fetchone()
        _staying_open().add(self)

    def let_go(self) -> None:
        """Close what is kept open; it opens again at the next use."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._explained(error) from error
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,  # the kept one is closed by whichever thread forks
        )
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                # SQLite does not wait for other processes in this step; so we do.
                with locked(self.path.with_name(f".{self.path.name}.lock")):
                    connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return connection

    def _explained(self, error: sqlite3.DatabaseError | OSError) -> StockcastError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return TransientError(
                f"{self.path} was locked by another process for {self._busy_seconds:g} s; "
                f"try again, or end what holds it (`fuser {self.path}` tells)."
            )
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return PermanentError(
                f"{self.path} is damaged ({error}). It holds counts of calls and notes on tickers, "
                f"no bars: move it away and a new one is made. What was called today is then not "
                f"known here, so the provider may refuse the rest of the day."
            )
        return PermanentError(
            f"{self.path} cannot be used ({error}); check that its folder can be written, that "
            f"the disk has room, and that it is a disk of this machine."
        )


@cache
def _staying_open() -> WeakSet[Database]:
    kept: WeakSet[Database] = WeakSet()

    def let_go() -> None:
        for database in list(kept):
            database.let_go()

    # SQLite's own view of its locks is wrong in a forked child that inherits open files.
    os.register_at_fork(before=let_go)
    return kept
