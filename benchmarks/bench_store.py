"""The bar store at 500 and 5,000 tickers of twenty years, beside one Parquet file a ticker.

The bars are the sample's real ones, laid end to end. Each ticker starts at another of them and has
a unit of money of its own, because files of mere copies would be smaller than files of prices are.
Every figure comes from a process of its own, so that its peak of memory is its own too. It needs
1 GB of disk for a while.

    python -m benchmarks bench_store
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table

from market.bars.adjustments import adjust_bars
from market.bars.contract import KEY
from market.calendars.sessions import Sessions
from market.providers.sample.provider import SampleProvider
from market.store import BarStore

HERE = Path(__file__).parent
SIZES = (500, 5_000)
REAL = ("AAPL", "GOOG", "IBM", "MSFT")
N_SESSIONS = 5_033  # twenty years
TICKERS_AT_ONCE = 50
# What the ingest does, which stores each answer of a provider at once; on a part of the tickers.
TICKERS_SINGLY = 100
TICKERS_READ = 20


class FileATicker:
    """How Stockcast 0.1 kept bars: one file a ticker, written anew by every upsert."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def upsert(self, bars: pl.DataFrame) -> None:
        """Insert or replace bars, each ticker's file by temporary file, fsync and rename."""
        for (ticker,), new in bars.partition_by("ticker", as_dict=True).items():
            path = self.root / f"{ticker}.parquet"
            if path.exists():
                kept = pl.read_parquet(path, memory_map=False).join(new, on=KEY, how="anti")
                new = pl.concat([kept, new]).sort(KEY)  # noqa: PLW2901
            draft = path.with_suffix(".tmp")
            with draft.open("wb") as file:
                new.write_parquet(file)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)

    def read(self, tickers: Sequence[str]) -> pl.DataFrame:
        """Return the bars of some tickers."""
        return pl.concat(map(self._read, tickers))

    def read_in_parts(self) -> Iterator[pl.DataFrame]:
        """Yield the bars of each ticker."""
        yield from map(self._read, self._tickers())

    def last_sessions(self) -> dict[str, date]:
        """Return the last session of each ticker."""
        return {
            ticker: pl.scan_parquet(self.root / f"{ticker}.parquet")
            .select(pl.col("session").max())
            .collect()
            .item()
            for ticker in self._tickers()
        }

    def _tickers(self) -> list[str]:
        return sorted(path.stem for path in self.root.glob("*.parquet"))

    def _read(self, ticker: str) -> pl.DataFrame:
        return pl.read_parquet(self.root / f"{ticker}.parquet", memory_map=False)


SIDES: dict[str, Callable[[Path], BarStore | FileATicker]] = {
    "store": BarStore,
    "file a ticker": FileATicker,
}


def name_of(ticker: int) -> str:
    """Return what the benchmark calls its ticker of that number."""
    return f"T{ticker:04d}"


def laid_end_to_end(tickers: range, sessions: range) -> pl.DataFrame:
    """Return bars of the tickers and sessions of these numbers, sorted by ticker and session."""
    calendar = Sessions("XNYS").between(date(2005, 1, 3), date(2025, 12, 31))
    dates = calendar.gather(np.arange(sessions.start, sessions.stop))
    frames = []
    for position, source in enumerate(REAL):
        real = SampleProvider().fetch(source)
        chosen = np.array([n for n in tickers if n % len(REAL) == position], dtype=np.int64)
        rows = (np.arange(sessions.start, sessions.stop) + 37 * chosen[:, None]) % real.height
        number = pl.Series(np.repeat(chosen, len(sessions)))
        unit = 1 + number / 7919
        frames.append(
            real[rows.ravel()].with_columns(
                ("T" + number.cast(pl.String).str.zfill(4)).alias("ticker"),
                pl.Series(np.tile(dates.to_numpy(), len(chosen))).cast(pl.Date).alias("session"),
                (pl.col("open", "high", "low", "close", "adj_close") * unit).round(4),
                (pl.col("volume") * unit).cast(pl.Int64),
            )
        )
    return pl.concat(frames).sort(KEY)


def fill(root: Path, n_tickers: int, n_sessions: int) -> None:
    """Put twenty years of every ticker into both stores."""
    stores = [make(root / side) for side, make in SIDES.items()]
    for first in range(0, n_tickers, TICKERS_AT_ONCE):
        tickers = range(first, min(first + TICKERS_AT_ONCE, n_tickers))
        bars = laid_end_to_end(tickers, range(n_sessions))
        for store in stores:
            store.upsert(bars)
    for store in stores:
        if isinstance(store, BarStore):
            store.compact()


def measure(side: str, root: Path, workload: str, n_tickers: int, session: int) -> dict[str, float]:
    """Do one workload and return its seconds, the items it was about, and this process's peak."""
    store = SIDES[side](root / side)
    n_items = n_tickers
    tickers = range(n_tickers)
    if workload == "session at once":
        new = laid_end_to_end(tickers, range(session, session + 1))
        started = time.perf_counter()
        store.upsert(new)
    elif workload == "session, singly":
        n_items = min(n_tickers, TICKERS_SINGLY)
        new = laid_end_to_end(tickers[:n_items], range(session, session + 1))
        each = new.partition_by("ticker")
        started = time.perf_counter()
        for bars in each:
            store.upsert(bars)
    elif workload == "panel, adjusted":
        started = time.perf_counter()
        n_items = pl.concat(adjust_bars(bars) for bars in store.read_in_parts()).height
    elif workload == "one ticker":
        n_items = min(n_tickers, TICKERS_READ)
        asked = [name_of(n * n_tickers // n_items) for n in range(n_items)]
        started = time.perf_counter()
        for ticker in asked:
            store.read([ticker])
    else:
        started = time.perf_counter()
        n_items = len(store.last_sessions())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "items": n_items, "peak_mb": peak}


WORKLOADS = {
    "session at once": "new session, all at once",
    "session, singly": f"new session, {TICKERS_SINGLY} singly",
    "panel, adjusted": "panel, read and adjusted",
    "one ticker": f"{TICKERS_READ} reads of one ticker",
    "last sessions": "last sessions, all",
}


@dataclass(frozen=True)
class Figure:
    """Seconds of one workload on one side, how many items it was about, and its peak in MB."""

    seconds: float
    items: int
    peak_mb: float


def in_a_process(function: str, *arguments: object) -> dict[str, float]:
    """Run a function of this module in a process of its own and return what it returns."""
    program = (
        "import json, pathlib; from pathlib import PosixPath; from benchmarks import bench_store;"
        f"print(json.dumps(bench_store.{function}{arguments!r}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=HERE.parent,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, float] = json.loads(ended.stdout)
    return answer


def run(
    sizes: Sequence[int] = SIZES, n_sessions: int = N_SESSIONS
) -> dict[int, dict[tuple[str, str], Figure]]:
    """Return the figures of every size by workload and side; the sides take turns."""
    results = {}
    for size in sizes:
        repeats = 2 if size < max(sizes) else 1
        with tempfile.TemporaryDirectory(prefix="stockcast-bench-") as folder:
            root = Path(folder)
            turns = [
                (workload, side, turn)
                for workload in WORKLOADS
                for turn in range(repeats)
                for side in SIDES
            ]
            found: dict[tuple[str, str], list[dict[str, float]]] = {}
            for turn_ in track([None, *turns], f"{size:,} tickers", transient=True):
                if turn_ is None:
                    in_a_process("fill", root, size, n_sessions)
                    continue
                workload, side, turn = turn_
                # Each upsert needs a session that is new to its store.
                session = n_sessions + turn + repeats * (workload == "session, singly")
                figure = in_a_process("measure", side, root, workload, size, session)
                found.setdefault((workload, side), []).append(figure)
        results[size] = {key: _quickest(figures) for key, figures in found.items()}
    return results


def _quickest(figures: Sequence[dict[str, float]]) -> Figure:
    best = min(figures, key=lambda figure: figure["seconds"])
    return Figure(best["seconds"], int(best["items"]), best["peak_mb"])


def main() -> None:
    """Measure and print; ratios carry over to other machines, seconds less so."""
    console = Console()
    results = run()
    for size, figures in results.items():
        n_bars = figures["panel, adjusted", "store"].items
        table = Table(title=f"Bar store: {size:,} tickers, {n_bars / 1e6:.1f} million bars")
        for header in ("workload", "store, s", "MB", "a file each, s", "MB", "ratio"):
            table.add_column(header, justify="left" if header == "workload" else "right")
        for workload, explained in WORKLOADS.items():
            ours, theirs = (figures[workload, side] for side in SIDES)
            ratio = f"{theirs.seconds / ours.seconds:.1f}x"
            cells = (
                f"{f.seconds:.3f}" if n else f"{f.peak_mb:,.0f}"
                for f in (ours, theirs)
                for n in (1, 0)
            )
            table.add_row(explained, *cells, ratio)
        console.print(table)
    console.print(f"Time for each at {SIZES[1]:,} tickers over that at {SIZES[0]:,}, both sides:")
    for workload, explained in WORKLOADS.items():
        growth = [_growth(results, workload, side) for side in SIDES]
        console.print(f"  {explained}: {growth[0]:.2f} and {growth[1]:.2f}")


def _growth(results: dict[int, dict[tuple[str, str], Figure]], workload: str, side: str) -> float:
    small, large = (results[size][workload, side] for size in SIZES)
    return (large.seconds / large.items) / (small.seconds / small.items)


if __name__ == "__main__":
    main()
