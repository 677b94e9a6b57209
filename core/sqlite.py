"""A SQLite file that several processes share.

Tables are defined in the modules that use them. The file is in WAL mode, so it must be on a local
disk: all processes, also those in containers, must run on one kernel.
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

# Writers wait for each other, and a transaction takes one or two milliseconds.
_BUSY_SECONDS = 30.0
_CALLS_AND_STATES = (
    "It holds counts of calls and the state of tickers, no bars. The calls made today are then not"
    " counted, so the provider may refuse calls until tomorrow."
)


class Database:
    """One SQLite file in WAL mode; each use has its own connection, so all threads may use it.

    Parameters
    ----------
    path
        The file. It is created with its folder at the first use.
    schema
        ``CREATE ... IF NOT EXISTS`` statements. They run at every use, because the file can be
        moved away while the process runs; this takes 0.02 ms.
    contents
        What a damaged file loses, and how to get it back, for the error message.
    busy_seconds
        Longest wait for the lock of another process.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        contents: str = _CALLS_AND_STATES,
        busy_seconds: float = _BUSY_SECONDS,
    ) -> None:
        self.path = path
        self._schema = schema
        self._contents = contents
        self._busy_seconds = busy_seconds
        self._idle_connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self, *, is_durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Provide a connection with the write lock; commit at the end, roll back on an error.

        Parameters
        ----------
        is_durable
            Whether a committed transaction must survive a power cut, for which the commit waits
            for the disk. It survives a kill of the process in any case.

        Raises
        ------
        TransientError
            If another process holds the lock for too long.
        PermanentError
            If the file is damaged or cannot be opened or written.
        """
        with self.connection() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection for reading, which does not block writers.

        Raises
        ------
        TransientError
            If another process holds the lock for too long.
        PermanentError
            If the file is damaged or cannot be opened.
        """
        try:
            with closing(self._connect()) as connection:
                connection.executescript(self._schema)
                if self._idle_connection is None:
                    self._open_idle_connection()
                yield connection
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error

    def close(self) -> None:
        """Close the idle connection; the next use opens it again."""
        if self._idle_connection is not None:
            self._idle_connection.close()
            self._idle_connection = None

    def _open_idle_connection(self) -> None:
        """Keep one unused connection open.

        The last connection that closes a file writes the whole log back and waits for the disk
        four times. While this connection is open, the others close without that cost.
        """
        self._idle_connection = self._connect()
        self._idle_connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        _open_databases().add(self)

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._translate(error) from error
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,  # the thread that forks closes the idle connection
        )
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                # The switch to WAL mode fails at once when the file is locked.
                with locked(self.path.with_name(f".{self.path.name}.lock")):
                    connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return connection

    def _translate(self, error: sqlite3.DatabaseError | OSError) -> StockcastError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return TransientError(
                f"{self.path} was locked by another process for {self._busy_seconds:g} s; try "
                f"again, or end the process that holds it (`fuser {self.path}` lists it)."
            )
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return PermanentError(
                f"{self.path} is damaged ({error}); move it away, and the next use creates a new "
                f"file. {self._contents}"
            )
        return PermanentError(
            f"{self.path} cannot be used ({error}); check that its folder is writable, that the "
            f"disk has free space, and that the disk is local."
        )


@cache
def _open_databases() -> WeakSet[Database]:
    databases: WeakSet[Database] = WeakSet()

    def close_all() -> None:
        for database in list(databases):
            database.close()

    # SQLite loses track of its locks in a forked child that inherits open files.
    os.register_at_fork(before=close_all)
    return databases
