"""Storage of the rows that validation refused: one Parquet file per ticker.

`market.bars.contract` decides which rows are refused.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from core.errors import BarsError
from core.files import write_atomically
from core.tickers import ticker_file_name
from market.bars.contract import BAR_SCHEMA

QUARANTINE_SCHEMA = pl.Schema({**BAR_SCHEMA, "reason": pl.String()})


class Quarantine:
    """The refused rows of the latest fetch of each session, with the reasons.

    Parameters
    ----------
    root
        Folder of the files; created when the first row is refused.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def replace(self, ticker: str, refused: pl.DataFrame, *, since: date | None = None) -> None:
        """Replace the stored rows of `ticker`; without rows, the file is deleted.

        Parameters
        ----------
        refused
            Refused rows, `QUARANTINE_SCHEMA`.
        since
            First fetched session. Rows of earlier sessions are kept. By default all rows are
            replaced.
        """
        if since is not None:
            older = self.read([ticker]).filter(pl.col("session") < since)
            refused = pl.concat([older, refused.select(QUARANTINE_SCHEMA.names())])
        path = self.path_of(ticker)
        if refused.is_empty():
            path.unlink(missing_ok=True)
            return
        buffer = io.BytesIO()
        refused.write_parquet(buffer)
        if not path.exists() or path.read_bytes() != buffer.getvalue():
            write_atomically(path, buffer.getvalue())

    def read(self, tickers: Sequence[str]) -> pl.DataFrame:
        """Return the refused rows of `tickers`: the bar columns and `reason`.

        Raises
        ------
        BarsError
            If a file is damaged; the message names the file.
        """
        paths = [path for path in map(self.path_of, tickers) if path.exists()]
        return pl.concat([QUARANTINE_SCHEMA.to_frame(), *map(_read_file, paths)])

    def path_of(self, ticker: str) -> Path:
        """Return the file of a ticker; it exists if rows were refused."""
        return self.root / ticker_file_name(ticker)


def _read_file(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, hive_partitioning=False).select(QUARANTINE_SCHEMA.names())
    except (pl.exceptions.PolarsError, OSError) as error:
        msg = (
            f"The quarantine file {path} cannot be read ({' '.join(str(error).split())}); move it "
            f"away and ingest its ticker again."
        )
        raise BarsError(msg) from error
