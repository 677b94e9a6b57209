"""Changes of a bar store: upserts, compaction into files, and recovery.

Each change holds the lock of the store and is one transaction of its index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path

import polars as pl

from core.errors import BarsError
from core.files import locked, remove_temporary_files
from core.tickers import check_ticker
from market.bars.contract import BAR_SCHEMA, KEY
from market.store.files import (
    STORE_FILES,
    SUFFIX,
    merge_bars,
    read_file,
    read_unindexed_file,
    write_files,
)
from market.store.index import FileSpan, Index, open_for_writing
from market.store.view import open_view

# Larger upserts go to files directly: SQLite takes 3 microseconds per bar.
MAX_BARS_TO_JOURNAL = 50_000
# Files of earlier versions, with one ticker each.
LEGACY_FILES = f"[A-Z0-9%]*{SUFFIX}"
_LOCK = ".lock"
_RECOVERY_BATCH = 500_000


class Writer:
    """The only writer of a store while it holds the lock.

    Parameters
    ----------
    root
        Folder of the store.
    index
        Index of the store, in a transaction.
    """

    def __init__(self, root: Path, index: Index) -> None:
        self.index = index
        self._root = root
        self._replaced: list[Path] = []
        self._has_recovered = False

    @classmethod
    @contextmanager
    def acquire(cls, root: Path, index_path: Path, *, recover: bool) -> Iterator[Writer]:
        """Wait for the lock and yield a writer. An error rolls back all of its changes.

        Parameters
        ----------
        recover
            Run the recovery first. Without it, recovery still runs for a new index and before a
            compaction.
        """
        with locked(root / _LOCK):
            with open_for_writing(index_path) as index:
                writer = cls(root, index)
                if recover or not index.is_recovered():
                    writer._recover()
                yield writer
            for path in writer._replaced:
                path.unlink(missing_ok=True)

    def upsert(self, bars: pl.DataFrame) -> tuple[int, int, int]:
        """Insert or replace sorted bars; return the numbers inserted, updated and unchanged."""
        stored = self._stored_bars(bars)
        if stored.is_empty() and bars.height <= MAX_BARS_TO_JOURNAL:
            self.index.add(bars)
            return bars.height, 0, 0
        changed = bars.join(stored, on=BAR_SCHEMA.names(), how="anti", nulls_equal=True)
        unchanged = bars.height - changed.height
        updated = stored.height - unchanged
        if changed.height > MAX_BARS_TO_JOURNAL:
            for span in self.spans():
                new = changed.filter(
                    pl.col("ticker").is_between(
                        pl.lit(span.lower), pl.lit(span.upper), closed="left"
                    )
                )
                if new.height:
                    self.compact(span, new)
        elif changed.height:
            self.index.add(changed)
        return changed.height - updated, updated, unchanged

    def replace(self, bars: pl.DataFrame) -> tuple[int, int, int, int]:
        """Replace all bars of the tickers in sorted bars; return the numbers, removed ones last."""
        tickers = bars.get_column("ticker").unique().to_list()
        stored = self._stored_bars_of(tickers)
        removed = stored.join(bars, on=KEY, how="anti").height
        if not removed:
            return *self.upsert(bars), 0
        unchanged = bars.join(stored, on=BAR_SCHEMA.names(), how="semi", nulls_equal=True).height
        updated = stored.height - removed - unchanged
        # Rows without a location are not read; the next compaction of their file drops them.
        self.index.remove_tickers(tickers)
        self.upsert(bars)
        return bars.height - updated - unchanged, updated, unchanged, removed

    def rename(self, old: str, new: str) -> int:
        """Store the bars of the ticker `old` as those of `new`; return their number."""
        if not self._stored_bars_of([new]).is_empty():
            msg = f"{new} has stored bars already, so those of {old} cannot be renamed to it."
            raise BarsError(msg)
        bars = self._stored_bars_of([old])
        self.index.remove_tickers([old])
        self.upsert(bars.with_columns(ticker=pl.lit(new)))
        return bars.height

    def spans(self) -> list[FileSpan]:
        """Return the spans that can be compacted, after a recovery."""
        if not self._has_recovered:
            self._recover()
        return self.index.spans()

    def compact(self, span: FileSpan, *new: pl.DataFrame) -> None:
        """Merge the file of a span, its journal and `new` into new files."""
        bars = BAR_SCHEMA.to_frame()
        if span.file is not None:
            path = self._root / span.file
            with path.open("rb") as file:
                bars = read_file(path, file, self.index.locations_in(span.file))
            self._replaced.append(path)
        bars = merge_bars(bars, self.index.journal_of(span), *new)
        self.index.replace(span, write_files(self._root, bars))

    def _recover(self) -> None:
        """Delete leftovers of killed writers, drop missing files, and import unindexed files.

        A store file that the index does not list was replaced, or belongs to a killed writer, and
        is deleted. With a new index such files are those of a store without its index. They are
        imported, the newest first.
        """
        self._has_recovered = True
        remove_temporary_files(self._root)
        indexed = self.index.file_names()
        existing = {path.name for path in self._root.glob(STORE_FILES)}
        self.index.remove_files(indexed - existing)
        unindexed = [self._root / name for name in sorted(existing - indexed, reverse=True)]
        self._replaced += unindexed
        if self.index.is_recovered():
            unindexed = []
        legacy = sorted(self._root.glob(LEGACY_FILES))
        self._replaced += legacy
        for bars in _read_in_batches([*unindexed, *legacy]):
            stored = self._stored_bars(bars)
            self.upsert(bars.join(stored, on=KEY, how="anti").sort(KEY))
        self.index.mark_recovered()

    def _stored_bars(self, bars: pl.DataFrame) -> pl.DataFrame:
        """Return the stored bars with the keys of `bars`."""
        if bars.is_empty():
            return bars
        tickers = bars.get_column("ticker").unique().to_list()
        first = bars.select(pl.col("session").min()).item()
        return self._stored_bars_of(tickers, first).join(bars, on=KEY, how="semi")

    def _stored_bars_of(self, tickers: Sequence[str], since: date | None = None) -> pl.DataFrame:
        """Return the stored bars of `tickers`, sorted by key."""
        with open_view(self._root, lambda: nullcontext(self.index), tickers, since) as view:
            return pl.concat([BAR_SCHEMA.to_frame(), *view.parts()])


def _read_in_batches(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Yield the bars of several files at a time; of bars with the same key, the first one read."""
    frames: list[pl.DataFrame] = []
    for path in paths:
        frames.append(read_unindexed_file(path))
        for ticker in frames[-1].get_column("ticker").unique():
            check_ticker(ticker)
        if path == paths[-1] or sum(frame.height for frame in frames) > _RECOVERY_BATCH:
            yield pl.concat(frames).unique(KEY, keep="first")
            frames = []
