"""What bars say, as a number: the same from any files, in any order of ingest, from any source."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import polars as pl

from market.bars.contract import BAR_SCHEMA, KEY

# Prices decide what is learnt; who delivered them does not.
_VALUES = [name for name in BAR_SCHEMA if name not in {*KEY, "source"}]


class Digest:
    """The SHA-256 of bars that come in parts of whole tickers, sorted by ticker and session."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, bars: pl.DataFrame) -> None:
        """Take the next part in."""
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
    """Return where the column is null, and its values in one byte order, null as zero."""
    kind = "<i8" if column.dtype == pl.Int64 else "<f8"
    # Adding zero makes -0.0 and 0.0, which are equal, look equal.
    return column.is_null().to_numpy(), (column.fill_null(0).to_numpy() + 0).astype(kind)
