"""Read access to stored bars as of one instant, without locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

import polars as pl

from market.store.files import merge_bars, read_file
from market.store.index import Index, IndexSnapshot


@dataclass(frozen=True)
class StoreView(IndexSnapshot):
    """A snapshot of the index with its files open, so that a compaction does not affect it."""

    root: Path
    files: dict[str, BinaryIO]
    since: date | None

    def tickers(self) -> set[str]:
        """Return the tickers with bars of any session."""
        return {*self.locations.get_column("ticker"), *self.last_journaled}

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield the sorted bars, one part per file, with the bars of the journal merged in.

        Raises
        ------
        BarsError
            If a file is damaged.
        """
        by_file = [self.locations]
        if self.locations.height > 1:
            by_file = self.locations.partition_by("file", maintain_order=True)
        # Journal bars before the first ticker of the second file belong to the first part, etc.
        lowers = [locations.item(0, "ticker") for locations in by_file[1:]]
        cuts = [self.journal.get_column("ticker").search_sorted(lower) for lower in lowers]
        starts, ends = [0, *cuts], [*cuts, self.journal.height]
        for locations, start, end in zip(by_file, starts, ends, strict=True):
            part = merge_bars(self._read(locations), self.journal[start:end])
            if part.height:
                yield part

    def _read(self, locations: pl.DataFrame) -> pl.DataFrame:
        if self.since is not None and locations.height:
            locations = locations.filter(pl.col("last").cast(pl.Date) >= self.since)
        if locations.is_empty():
            return self.journal.clear()
        name = locations.item(0, "file")
        bars = read_file(self.root / name, self.files[name], locations)
        return bars if self.since is None else bars.filter(pl.col("session") >= self.since)


@contextmanager
def open_view(
    root: Path,
    open_index: Callable[[], AbstractContextManager[Index]],
    tickers: Sequence[str] | None = None,
    since: date | None = None,
) -> Iterator[StoreView]:
    """Open a view of `tickers` (by default all), with bars from `since` on (by default all).

    A file that the index lists but that does not exist was moved away by a person because of
    damage. Its tickers count as not stored.

    Parameters
    ----------
    open_index
        Opens the index. It is opened again when a file is missing.
    """
    missing: set[str] = set()
    with ExitStack() as stack:
        while True:
            with open_index() as index:
                snapshot = index.snapshot(tickers, since)
            files, absent = {}, set()
            for name in set(snapshot.locations.get_column("file")):
                try:
                    files[name] = stack.enter_context((root / name).open("rb"))
                except FileNotFoundError:
                    absent.add(name)
            if absent <= missing:
                break
            # A compaction may have replaced the files since the snapshot. Names are never reused.
            missing |= absent
        locations = snapshot.locations
        if absent:
            locations = locations.filter(~pl.col("file").is_in(list(absent)))
        yield StoreView(locations, snapshot.journal, snapshot.last_journaled, root, files, since)
