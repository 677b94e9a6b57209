"""Refused rows, kept with their reasons beside the store: one Parquet file a ticker.

What is refused, and why, is decided by `market.bars.contract`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from core.files import write_atomically
from core.tickers import ticker_file_name
from market.bars.contract import BAR_SCHEMA

SCHEMA = pl.Schema({**BAR_SCHEMA, "reason": pl.String()})


class Quarantine:
    """The rows that were refused when each ticker's sessions were last asked for.

    Parameters
    ----------
    root
        Folder of the files; made when a first row is refused.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def replace(self, ticker: str, refused: pl.DataFrame, *, since: date | None = None) -> None:
        """Replace what is kept for `ticker`, from the session `since` on; no rows, no file.

        Older rows stay when an answer reached back to `since` alone.
        """
        if since is not None:
            older = self.read([ticker]).filter(pl.col("session") < since)
            refused = pl.concat([older, refused.select(SCHEMA.names())])
        path = self._path(ticker)
        if refused.is_empty():
            path.unlink(missing_ok=True)
            return
        buffer = io.BytesIO()
        refused.write_parquet(buffer)
        write_atomically(path, buffer.getvalue())

    def read(self, tickers: Sequence[str]) -> pl.DataFrame:
        """Return what is kept for `tickers`: bar columns and `reason`."""
        found = [path for path in map(self._path, tickers) if path.exists()]
        frames = [pl.read_parquet(path, hive_partitioning=False) for path in found]
        return pl.concat(frames) if frames else SCHEMA.to_frame()

    def _path(self, ticker: str) -> Path:
        return self.root / ticker_file_name(ticker)
