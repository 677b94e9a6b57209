"""The public interface of the bar store: upsert, read and fingerprint bars.

`market.bars.contract` validates bars before they are stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from core.errors import BarsError
from core.tickers import check_ticker, unknown_ticker
from market.bars.contract import BAR_SCHEMA, KEY, conform_bars
from market.store.digest import Digest
from market.store.files import STORE_FILES
from market.store.index import open_for_reading, open_idle_connection
from market.store.view import StoreView, open_view
from market.store.writer import LEGACY_FILES, Writer

_INDEX = "index.sqlite"
# A file is rewritten when 1 % of its bars are new, so a new bar rewrites at most 100 others.
_MIN_NEW_SHARE = 0.01
# About 350,000 bars, which take half a second to read from SQLite.
_MAX_INDEX_BYTES = 32_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class UpsertReport:
    """The numbers of bars that a write inserted, updated, left unchanged and removed."""

    inserted: int
    updated: int
    unchanged: int
    removed: int = 0

    @property
    def has_changes(self) -> bool:
        """Whether the write changed the store."""
        return bool(self.inserted or self.updated or self.removed)


class BarStore:
    """Bars on a local disk, keyed by ticker and session.

    New bars go to a journal in SQLite. A compaction moves them to Parquet files of about fifty
    tickers each. Each upsert is atomic, even if the process is killed. Several processes may upsert
    and compact concurrently. Readers take no lock and see the bars of one instant.

    Parameters
    ----------
    root
        Folder of the store on a local disk; created by the first upsert. Files of earlier
        versions, with one ticker each, are imported on first use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = root / _INDEX
        self._idle_connection: sqlite3.Connection | None = None

    def upsert(self, bars: pl.DataFrame) -> UpsertReport:
        """Insert new bars and replace stored bars with the same key; keep all other bars.

        Parameters
        ----------
        bars
            Validated bars of any tickers in any order, at most one per key.

        Raises
        ------
        BarsError
            If a key is missing or repeated, or a stored file is damaged.
        TickerError
            If a ticker is malformed.
        """
        return self._write(bars, Writer.upsert)

    def replace(self, bars: pl.DataFrame) -> UpsertReport:
        """Replace all stored bars of the tickers in `bars`; keep the bars of other tickers.

        Without a change nothing is written.

        Parameters
        ----------
        bars
            All bars of each of its tickers, validated, in any order, at most one per key.

        Raises
        ------
        BarsError, TickerError
            As in `upsert`.
        """
        return self._write(bars, Writer.replace)

    def rename(self, old: str, new: str) -> int:
        """Store all bars of a ticker under another one; return their number.

        Raises
        ------
        TickerError
            If `new` is malformed.
        BarsError
            If `new` has bars already, or a stored file is damaged.
        """
        check_ticker(new)
        with self._acquire_writer() as writer:
            return writer.rename(old, new)

    def compact(self) -> None:
        """Move bars from the journal to files, wherever at least 1 % of a file is new.

        The lock is released after each file, so concurrent writers wait for a fraction of a second.
        A call after a kill continues the work. Call it after each run. An upsert that makes the
        journal too large compacts as well.

        Raises
        ------
        BarsError
            If a stored file is damaged.
        """
        self._compact_spans(min_new_share=_MIN_NEW_SHARE)

    def read(self, tickers: Sequence[str] | None = None, since: date | None = None) -> pl.DataFrame:
        """Return stored bars: bar contract, sorted by ticker and session.

        Parameters
        ----------
        tickers
            Tickers to read; by default all stored tickers.
        since
            First session to read; by default all sessions.

        Raises
        ------
        UnknownTickerError
            If a ticker is not stored.
        BarsError
            If a file is damaged; the message names the file.
        """
        parts = list(self.read_in_parts(tickers, since))
        return pl.concat(parts) if parts else BAR_SCHEMA.to_frame()

    def read_in_parts(
        self, tickers: Sequence[str] | None = None, since: date | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield the result of `read` in parts of about fifty whole tickers, as of one instant.

        This limits the memory of computations per ticker, such as adjusted bars.

        Parameters
        ----------
        tickers, since
            As in `read`.

        Raises
        ------
        UnknownTickerError
            If a ticker is not stored.
        BarsError
            If a file is damaged; the message names the file.
        """
        with self._open_view(tickers, since) as view:
            if tickers is not None and (unknown := sorted({*tickers} - view.tickers())):
                raise unknown_ticker(unknown[0], f"the bar store {self.root}", self.tickers())
            yield from view.parts()

    def tickers(self) -> tuple[str, ...]:
        """Return the stored tickers, sorted."""
        return tuple(self.last_sessions())

    def last_sessions(self, tickers: Sequence[str] | None = None) -> dict[str, date]:
        """Return the last stored session of each ticker, sorted by ticker, without reading files.

        Parameters
        ----------
        tickers
            By default all stored tickers. Tickers that are not stored are omitted.
        """
        with self._open_view(tickers, since=date.max) as view:
            days = dict(view.locations.select("ticker", "last").iter_rows())
            for ticker, day in view.last_journaled.items():
                days[ticker] = max(day, days.get(ticker, day))
        return {ticker: _EPOCH + timedelta(days=day) for ticker, day in sorted(days.items())}

    def fingerprint(self, tickers: Sequence[str] | None = None) -> str:
        """Return the hexadecimal SHA-256 of tickers, sessions, prices, volumes and actions.

        It does not depend on files, compression, the order of ingest, or the `source` column.

        Raises
        ------
        UnknownTickerError
            If a ticker is not stored.
        BarsError
            If a file is damaged.
        """
        digest = Digest()
        for part in self.read_in_parts(tickers):
            digest.update(part)
        return digest.hexdigest()

    def _write(
        self, bars: pl.DataFrame, write: Callable[[Writer, pl.DataFrame], tuple[int, ...]]
    ) -> UpsertReport:
        bars = _check_keys(conform_bars(bars)).sort(KEY)
        for ticker in bars.get_column("ticker").unique():
            check_ticker(ticker)
        with self._acquire_writer() as writer:
            report = UpsertReport(*write(writer, bars))
            is_full = writer.index.size() > _MAX_INDEX_BYTES
        if is_full:
            self._compact_spans(min_new_share=0)
        return report

    def _compact_spans(self, *, min_new_share: float) -> None:
        """Compact, one by one, the spans with a journal above this share of their file."""
        has_more = True
        while has_more:
            with self._acquire_writer() as writer:
                spans = [
                    span
                    for span in writer.spans()
                    if span.in_journal > min_new_share * span.in_file
                ]
                for span in spans[:1]:
                    writer.compact(span)
                has_more = len(spans) > 1

    @contextmanager
    def _acquire_writer(self) -> Iterator[Writer]:
        is_first = self._idle_connection is None
        with Writer.acquire(self.root, self._index, recover=is_first) as writer:
            self._idle_connection = self._idle_connection or open_idle_connection(self._index)
            yield writer

    @contextmanager
    def _open_view(
        self, tickers: Sequence[str] | None = None, since: date | None = None
    ) -> Iterator[StoreView]:
        with open_for_reading(self._index) as index:
            is_lost = not index.is_recovered() and any(self.root.glob(STORE_FILES))
        if is_lost or any(self.root.glob(LEGACY_FILES)):
            with Writer.acquire(self.root, self._index, recover=True):
                pass
        with open_view(self.root, lambda: open_for_reading(self._index), tickers, since) as view:
            yield view


def _check_keys(bars: pl.DataFrame) -> pl.DataFrame:
    if any(bars.get_column(name).null_count() for name in KEY):
        msg = "`bars` must have a ticker and a session in every row; run `validate_bars` first."
        raise BarsError(msg)
    is_repeated = bars.select(KEY).is_duplicated()
    if is_repeated.any():
        ticker, session = bars.filter(is_repeated).select(KEY).row(0)
        msg = (
            f"`bars` must have one row per ticker and session, but {ticker} {session} is "
            f"repeated; run `validate_bars` first."
        )
        raise BarsError(msg)
    return bars
