"""Stored bars at one instant: the index as it was, and the files it named, all held open.

Nothing here writes or locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

import polars as pl

from market.store.files import newest_of, read_file
from market.store.index import Index, Look


@dataclass(frozen=True)
class View(Look):
    """What the index said, and its files, open: a fold that replaces them changes nothing here."""

    root: Path
    files: dict[str, BinaryIO]
    since: date | None

    def known(self) -> set[str]:
        """Return the tickers that have bars, of any session."""
        return {*self.placed.get_column("ticker"), *self.journaled}

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield the bars in order: a part a file, the journal's bars in their places.

        Raises
        ------
        BarsError
            When a file is damaged.
        """
        places = [self.placed]
        if self.placed.height > 1:
            places = self.placed.partition_by("file", maintain_order=True)
        # What comes before the second file's first ticker is read with the first file, and so on.
        lowers = [place.item(0, "ticker") for place in places[1:]]
        cuts = [self.journal.get_column("ticker").search_sorted(lower) for lower in lowers]
        for place, begin, end in zip(places, [0, *cuts], [*cuts, self.journal.height], strict=True):
            part = newest_of(self._read(place), self.journal[begin:end])
            if part.height:
                yield part

    def _read(self, place: pl.DataFrame) -> pl.DataFrame:
        if self.since is not None and place.height:
            place = place.filter(pl.col("last").cast(pl.Date) >= self.since)
        if place.is_empty():
            return self.journal.clear()
        name = place.item(0, "file")
        bars = read_file(self.root / name, self.files[name], place)
        return bars if self.since is None else bars.filter(pl.col("session") >= self.since)


@contextmanager
def opened(
    root: Path,
    reading: Callable[[], AbstractContextManager[Index]],
    tickers: Sequence[str] | None = None,
    since: date | None = None,
) -> Iterator[View]:
    """Give a view of `tickers`, or of all, and of their bars from `since` on, or all.

    A file that the index names and that is not there was moved away by a person, because it is
    damaged: its tickers then count as not stored.

    Parameters
    ----------
    reading
        Gives the index; it is asked again when a file is missing.
    """
    missing: set[str] = set()
    with ExitStack() as stack:
        while True:
            with reading() as index:
                look = index.look(tickers, since)
            files, absent = {}, set()
            for name in set(look.placed.get_column("file")):
                try:
                    files[name] = stack.enter_context((root / name).open("rb"))
                except FileNotFoundError:
                    absent.add(name)
            if absent <= missing:
                break
            # A fold may have replaced them since we looked; names never come again.
            missing |= absent
        placed = look.placed
        if absent:
            placed = placed.filter(~pl.col("file").is_in(list(absent)))
        yield View(placed, look.journal, look.journaled, root, files, since)
