"""A digest of the content of bars, independent of files, ingest order and source."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import polars as pl

from market.bars.contract import BAR_SCHEMA, KEY

# Models depend on the values of bars, not on their provider.
_VALUES = [name for name in BAR_SCHEMA if name not in {*KEY, "source"}]


class Digest:
    """Incremental SHA-256 of bars, in parts of whole tickers, sorted by ticker and session."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, bars: pl.DataFrame) -> None:
        """Add the next part."""
        sessions = bars.get_column("session").to_physical().to_numpy().astype("<i4")
        columns = [(name, *_bytes_of(bars.get_column(name))) for name in _VALUES]
        tickers = bars.get_column("ticker").rle().struct.unnest()
        ends = tickers.get_column("len").cum_sum()
        for ticker, (start, end) in zip(tickers["value"], pairwise([0, *ends]), strict=True):
            digest = hashlib.sha256(f"{ticker}\n{end - start}\n".encode())
            digest.update(sessions[start:end].tobytes())
            for name, nulls, values in columns:
                digest.update(f"{name}\n".encode())
                digest.update(np.packbits(nulls[start:end]).tobytes())
                digest.update(values[start:end].tobytes())
            self._digest.update(digest.digest())

    def hexdigest(self) -> str:
        """Return the digest of all parts, in hexadecimal."""
        return self._digest.hexdigest()


def _bytes_of(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the null mask and the little-endian values of a column, with zeros for nulls."""
    kind = "<i8" if column.dtype == pl.Int64 else "<f8"
    # Adding zero turns -0.0 into 0.0, which has other bytes but is equal.
    return column.is_null().to_numpy(), (column.fill_null(0).to_numpy() + 0).astype(kind)
