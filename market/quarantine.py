"""Refused rows, kept with their reasons beside the store: one Parquet file a ticker.

What is refused, and why, is decided by `market.bars`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from market.atomic import write_atomically
from market.bars import BAR_SCHEMA
from market.tickers import ticker_file_name

SCHEMA = pl.Schema({**BAR_SCHEMA, "reason": pl.String()})


class Quarantine:
    """The rows that each ticker's newest ingest refused.

    Parameters
    ----------
    root
        Folder of the files; made when a first row is refused.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, ticker: str, refused: pl.DataFrame) -> None:
        """Replace what is kept for `ticker`; no rows, no file."""
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
