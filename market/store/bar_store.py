"""The bar store: bars keyed by ticker and session, kept through kills and read in one sweep.

It keeps validated bars and judges none. Its parts: `index` (what is where, and the journal),
`files` (Parquet), `view` (reading), `writing`, `digest`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from core.errors import BarsError
from core.tickers import check_ticker, unknown_ticker
from market.bars.contract import BAR_SCHEMA, KEY, conform_bars
from market.store.digest import Digest
from market.store.index import anchor, reading
from market.store.view import View, opened
from market.store.writing import OLD_FILES, OUR_FILES, Writer

_INDEX = "index.sqlite"
# A file is written anew when a hundredth of it is new: a new bar moves at most a hundred others.
_LEAST_SHARE = 0.01
# Some 350,000 bars, which a read of all takes from SQLite in half a second.
_MOST_BYTES_OF_INDEX = 32_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class UpsertReport:
    """How many bars an upsert added, changed and found as they were."""

    inserted: int
    updated: int
    unchanged: int


class BarStore:
    """Bars on disk, keyed by ticker and session.

    New bars go to a journal in SQLite, and from there, when there are enough of them, to Parquet
    files of some fifty tickers each. A kill at any moment leaves each upsert done or not begun.
    Several processes may upsert and compact at once. Readers take no lock and see one instant.

    Parameters
    ----------
    root
        Folder of the store, on a disk of this machine; made at the first upsert. Files of one
        ticker each, as older versions wrote them, are taken over at the first use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = root / _INDEX
        self._anchor: sqlite3.Connection | None = None

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
        for ticker in bars.get_column("ticker").unique():
            check_ticker(ticker)
        with self._writing() as writer:
            report = UpsertReport(*writer.put(bars))
            is_long = writer.index.size() > _MOST_BYTES_OF_INDEX
        if is_long:
            self._fold_all(least_share=0)
        return report

    def compact(self) -> None:
        """Write the journal's bars into files where there are enough of them to be worth it.

        It frees the lock after each file, so writers beside it wait for a part of a second; after
        a kill the next call goes on. Call it after a run; an upsert that makes the journal too
        long does it as well.

        Raises
        ------
        BarsError
            When a stored file is damaged.
        """
        self._fold_all(least_share=_LEAST_SHARE)

    def read(self, tickers: Sequence[str] | None = None, since: date | None = None) -> pl.DataFrame:
        """Return the bars of some tickers, or of all: bar contract, sorted by ticker and session.

        Parameters
        ----------
        tickers
            All that are stored by default.
        since
            The first session wanted; all by default.

        Raises
        ------
        UnknownTickerError
            When a ticker is not stored.
        BarsError
            When a file is damaged; the message names it.
        """
        parts = list(self.read_in_parts(tickers, since))
        return pl.concat(parts) if parts else BAR_SCHEMA.to_frame()

    def read_in_parts(
        self, tickers: Sequence[str] | None = None, since: date | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield what `read` returns in parts of some fifty whole tickers, as of one instant.

        What is computed ticker by ticker, such as adjusted bars, then needs little memory beside
        its result.

        Raises
        ------
        UnknownTickerError
            When a ticker is not stored.
        BarsError
            When a file is damaged; the message names it.
        """
        with self._view(tickers, since) as view:
            if tickers is not None and (unknown := sorted({*tickers} - view.known())):
                raise unknown_ticker(unknown[0], f"the bar store {self.root}", self.tickers())
            yield from view.parts()

    def tickers(self) -> tuple[str, ...]:
        """Return the stored tickers, sorted."""
        return tuple(self.last_sessions())

    def last_sessions(self, tickers: Sequence[str] | None = None) -> dict[str, date]:
        """Return the last stored session of each ticker, sorted by ticker; no bar is read.

        Parameters
        ----------
        tickers
            All that are stored by default; those among them that are not stored are left out.
        """
        with self._view(tickers, since=date.max) as view:
            days = dict(view.placed.select("ticker", "last").iter_rows())
            for ticker, day in view.journaled.items():
                days[ticker] = max(day, days.get(ticker, day))
        return {ticker: _EPOCH + timedelta(days=day) for ticker, day in sorted(days.items())}

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
        digest = Digest()
        for part in self.read_in_parts(tickers):
            digest.update(part)
        return digest.hexdigest()

    def _fold_all(self, *, least_share: float) -> None:
        """Fold the spans whose journal is at least so large a share of their file, one by one."""
        folding = True
        while folding:
            with self._writing() as writer:
                spans = [
                    span for span in writer.spans() if span.in_journal > least_share * span.in_file
                ]
                for span in spans[:1]:
                    writer.fold(span)
                folding = len(spans) > 1

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        resolve_split_jumps = self._anchor is None
        with Writer.at_work(
            self.root, self._index, resolve_split_jumps=resolve_split_jumps
        ) as writer:
            self._anchor = self._anchor or anchor(self._index)
            yield writer

    @contextmanager
    def _view(
        self, tickers: Sequence[str] | None = None, since: date | None = None
    ) -> Iterator[View]:
        with reading(self._index) as index:
            is_lost = not index.is_settled() and any(self.root.glob(OUR_FILES))
        if is_lost or any(self.root.glob(OLD_FILES)):
            with Writer.at_work(self.root, self._index, resolve_split_jumps=True):
                pass
        with opened(self.root, lambda: reading(self._index), tickers, since) as view:
            yield view


def _check_keys(bars: pl.DataFrame) -> pl.DataFrame:
    if any(bars.get_column(name).null_count() for name in KEY):
        msg = "bars must have a ticker and a session in every row; run `validate_bars` first."
        raise BarsError(msg)
    is_repeated = bars.select(KEY).is_duplicated()
    if is_repeated.any():
        ticker, session = bars.filter(is_repeated).select(KEY).row(0)
        msg = (
            f"bars must have one row a ticker and session, but {ticker} {session} comes "
            f"more than once; run `validate_bars` first."
        )
        raise BarsError(msg)
    return bars
