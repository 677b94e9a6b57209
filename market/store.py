"""The bar store: one Parquet file a ticker under one folder.

It keeps validated bars and judges none.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl

from market.atomic import locked, remove_leftovers, write_atomically
from market.bars import BAR_SCHEMA, KEY, conform_bars
from market.errors import BarsError
from market.tickers import check_ticker, ticker_file_name, unknown_ticker

_SUFFIX = ".parquet"
_LOCK = ".lock"
_VALUES = [name for name in BAR_SCHEMA if name not in KEY]
# Prices decide what is learnt; who delivered them does not.
_FINGERPRINTED = [name for name in _VALUES if name != "source"]


@dataclass(frozen=True)
class UpsertReport:
    """How many bars an upsert added, changed and found as they were."""

    inserted: int
    updated: int
    unchanged: int


class BarStore:
    """Bars on disk, keyed by ticker and session.

    A kill at any moment leaves each ticker's file as it was or as it should be; a file whose bars
    did not change is not written. Several processes may upsert at once. Readers take no lock.

    Parameters
    ----------
    root
        Folder of the store; made at the first upsert.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def upsert(self, bars: pl.DataFrame) -> UpsertReport:
        """Insert new bars and replace those whose key is stored already; keep all others.

        Parameters
        ----------
        bars
            Validated bars of any tickers, at most one a key, in any order.

        Raises
        ------
        BarsError
            When a key is missing or comes twice, or a stored file is damaged.
        TickerError
            When a ticker is not written like one.
        """
        bars = _check_keys(conform_bars(bars)).sort(KEY)
        by_ticker = bars.partition_by("ticker", as_dict=True, maintain_order=True)
        counts = np.zeros(3, dtype=np.int64)
        with locked(self.root / _LOCK):
            remove_leftovers(self.root)
            for (ticker,), new in by_ticker.items():
                counts += self._upsert_ticker(check_ticker(str(ticker)), new)
        return UpsertReport(*(int(count) for count in counts))

    def read(self, tickers: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the bars of some tickers, or of all: bar contract, sorted by ticker and session.

        Raises
        ------
        UnknownTickerError
            When a ticker is not stored.
        BarsError
            When a file is damaged; the message names it.
        """
        frames = [self._read_ticker(ticker) for ticker in self._chosen(tickers)]
        return pl.concat(frames) if frames else BAR_SCHEMA.to_frame()

    def tickers(self) -> tuple[str, ...]:
        """Return the stored tickers, sorted."""
        return tuple(sorted(unquote(path.stem) for path in self.root.glob(f"[!.]*{_SUFFIX}")))

    def fingerprint(self, tickers: Sequence[str] | None = None) -> str:
        """Return the SHA-256, in hexadecimal, of what the bars say.

        It depends on tickers, sessions, prices, volumes and corporate actions alone: not on files,
        compression, the order of ingest, or the `source` column.

        Raises
        ------
        UnknownTickerError
            When a ticker is not stored.
        BarsError
            When a file is damaged.
        """
        digest = hashlib.sha256()
        for ticker in self._chosen(tickers):
            digest.update(_digest_bars(ticker, self._read_ticker(ticker)))
        return digest.hexdigest()

    def _chosen(self, tickers: Sequence[str] | None) -> tuple[str, ...]:
        known = self.tickers()
        if tickers is None:
            return known
        for ticker in tickers:
            if ticker not in known:
                raise unknown_ticker(ticker, f"the bar store {self.root}", known)
        return tuple(sorted(set(tickers)))

    def _upsert_ticker(self, ticker: str, new: pl.DataFrame) -> tuple[int, int, int]:
        path = self._path(ticker)
        old = self._read_ticker(ticker) if path.exists() else BAR_SCHEMA.to_frame()
        same = new.join(old, on=BAR_SCHEMA.names(), how="semi", nulls_equal=True).height
        kept = old.join(new, on=KEY, how="anti")
        updated = old.height - kept.height - same
        inserted = new.height - updated - same
        if inserted or updated:
            buffer = io.BytesIO()
            pl.concat([kept, new]).sort(KEY).write_parquet(buffer)
            write_atomically(path, buffer.getvalue())
        return inserted, updated, same

    def _read_ticker(self, ticker: str) -> pl.DataFrame:
        path = self._path(ticker)
        try:
            bars = pl.read_parquet(path, hive_partitioning=False, memory_map=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(path, str(error)) from error
        if bars.schema != BAR_SCHEMA:
            raise _damaged(path, f"its columns are {', '.join(bars.columns)}")
        return bars

    def _path(self, ticker: str) -> Path:
        return self.root / ticker_file_name(ticker)


def _check_keys(bars: pl.DataFrame) -> pl.DataFrame:
    if bars.select(pl.any_horizontal(pl.col(KEY).is_null()).any()).item():
        msg = "bars must have a ticker and a session in every row; run `validate_bars` first."
        raise BarsError(msg)
    repeated = bars.filter(bars.select(KEY).is_duplicated())
    if not repeated.is_empty():
        ticker, session = repeated.select(KEY).row(0)
        msg = (
            f"bars must have one row a ticker and session, but {ticker} {session} comes "
            f"more than once; run `validate_bars` first."
        )
        raise BarsError(msg)
    return bars


def _digest_bars(ticker: str, bars: pl.DataFrame) -> bytes:
    digest = hashlib.sha256(f"{ticker}\n{bars.height}\n".encode())
    digest.update(bars.get_column("session").to_physical().to_numpy().astype("<i4").tobytes())
    for name in _FINGERPRINTED:
        column = bars.get_column(name)
        digest.update(f"{name}\n".encode())
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        kind = "<i8" if column.dtype == pl.Int64 else "<f8"
        # Adding zero makes -0.0 and 0.0, which are equal, look equal.
        digest.update((column.fill_null(0).to_numpy() + 0).astype(kind).tobytes())
    return digest.digest()


def _damaged(path: Path, why: str) -> BarsError:
    return BarsError(
        f"the bar file {path} cannot be read ({why}); move it away and ingest its ticker again."
    )
