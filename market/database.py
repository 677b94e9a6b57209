"""The small SQLite file that processes of one home share: calls, health and records of tickers.

Tables belong to the modules that use them. Bars are Parquet and live in `market.store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

# Writers wait for each other; a transaction here takes a millisecond or two.
_BUSY_SECONDS = 30.0


class Database:
    """One SQLite file in WAL mode; every use opens its own connection, so any thread may.

    Parameters
    ----------
    path
        The file; made with its folder at the first use.
    schema
        ``CREATE TABLE IF NOT EXISTS`` statements, run at the first use.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._is_made = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that holds the write lock; commit at the end, roll back on an error."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for looking; it takes no lock that a writer would wait for."""
        with closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        # The default waits for the disk at every commit: a call that was paid is never forgotten.
        connection.execute("PRAGMA synchronous = FULL")
        if not self._is_made:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(self._schema)
            self._is_made = True
        return connection
