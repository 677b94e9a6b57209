"""How bars come into a store: into the journal, from there into files, and from older layouts.

All of it happens under the store's lock, and in one transaction of its index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import polars as pl

from core.files import locked, remove_temporary_files
from core.tickers import check_ticker
from market.bars.contract import BAR_SCHEMA, KEY
from market.store.files import SUFFIX, newest_of, read_file, read_foreign_file, write_files
from market.store.index import FileSpan, Index, writing
from market.store.view import opened

# More new bars than these go to files at once: SQLite takes 3 microseconds a bar.
BARS_TO_JOURNAL = 50_000
OUR_FILES = f"bars-*{SUFFIX}"
# How older versions named a ticker's file.
OLD_FILES = f"[A-Z0-9%]*{SUFFIX}"
_LOCK = ".lock"
_BARS_TAKEN_OVER_AT_ONCE = 500_000


class Writer:
    """The one writer of a store, while it has the lock.

    Parameters
    ----------
    root
        Folder of the store.
    index
        Its index, in a transaction.
    """

    def __init__(self, root: Path, index: Index) -> None:
        self.index = index
        self._root = root
        self._replaced: list[Path] = []
        self._is_settled = False

    @classmethod
    @contextmanager
    def at_work(cls, root: Path, index: Path, *, resolve_split_jumps: bool) -> Iterator[Writer]:
        """Give the writer when the others are done; all that it did counts, or nothing.

        With `resolve_split_jumps` it begins by clearing up, as it does on its own before it folds.
        """
        with locked(root / _LOCK):
            with writing(index) as inside:
                writer = cls(root, inside)
                if resolve_split_jumps or not inside.is_settled():
                    writer._settle()
                yield writer
            for path in writer._replaced:
                path.unlink(missing_ok=True)

    def put(self, bars: pl.DataFrame) -> tuple[int, int, int]:
        """Insert or replace sorted bars; return the numbers inserted, updated and unchanged."""
        stored = self._same_keys(bars)
        if stored.is_empty() and bars.height <= BARS_TO_JOURNAL:
            self.index.add(bars)
            return bars.height, 0, 0
        changed = bars.join(stored, on=BAR_SCHEMA.names(), how="anti", nulls_equal=True)
        unchanged = bars.height - changed.height
        updated = stored.height - unchanged
        if changed.height > BARS_TO_JOURNAL:
            for span in self.spans():
                new = changed.filter(pl.col("ticker").is_between(*_ends(span), closed="left"))
                if new.height:
                    self.fold(span, new)
        elif changed.height:
            self.index.add(changed)
        return changed.height - updated, updated, unchanged

    def spans(self) -> list[FileSpan]:
        """Return the spans that can be folded."""
        if not self._is_settled:
            self._settle()
        return self.index.spans()

    def fold(self, span: FileSpan, *new: pl.DataFrame) -> None:
        """Write what the file, the journal and `new` hold of a span into new files."""
        bars = BAR_SCHEMA.to_frame()
        if span.file is not None:
            path = self._root / span.file
            with path.open("rb") as file:
                bars = read_file(path, file, self.index.placed_in(span.file))
            self._replaced.append(path)
        bars = newest_of(bars, self.index.journal_of(span), *new)
        self.index.replace(span, write_files(self._root, bars))

    def _settle(self) -> None:
        """Clear what killed writers left, forget files moved away, take over what is foreign.

        Files of ours that the index does not know were replaced, or are drafts of killed writers;
        but beside a new index they are the store whose index was lost: the newest comes first.
        """
        self._is_settled = True
        remove_temporary_files(self._root)
        known = self.index.files()
        there = {path.name for path in self._root.glob(OUR_FILES)}
        self.index.forget(known - there)
        unknown = [self._root / name for name in sorted(there - known, reverse=True)]
        self._replaced += unknown
        if self.index.is_settled():
            unknown = []
        old = sorted(self._root.glob(OLD_FILES))
        self._replaced += old
        for bars in _gathered([*unknown, *old]):
            known_bars = self._same_keys(bars)
            self.put(bars.join(known_bars, on=KEY, how="anti").sort(KEY))
        self.index.mark_settled()

    def _same_keys(self, bars: pl.DataFrame) -> pl.DataFrame:
        """Return the stored bars whose keys are among those of `bars`."""
        if bars.is_empty():
            return bars
        tickers = bars.get_column("ticker").unique().to_list()
        first = bars.select(pl.col("session").min()).item()
        with opened(self._root, lambda: nullcontext(self.index), tickers, first) as view:
            found = [part.join(bars, on=KEY, how="semi") for part in view.parts()]
        return pl.concat([bars.clear(), *found])


def _ends(span: FileSpan) -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(span.lower), pl.lit(span.upper)


def _gathered(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Yield the bars of several files together; of bars with one key, the first read."""
    frames: list[pl.DataFrame] = []
    for path in paths:
        frames.append(read_foreign_file(path))
        for ticker in frames[-1].get_column("ticker").unique():
            check_ticker(ticker)
        if path == paths[-1] or sum(frame.height for frame in frames) > _BARS_TAKEN_OVER_AT_ONCE:
            yield pl.concat(frames).unique(KEY, keep="first")
            frames = []
