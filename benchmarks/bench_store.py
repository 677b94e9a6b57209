"""The bar store with 500 and 5,000 tickers over twenty years, and one Parquet file per ticker.

The bars repeat the real bars of the sample. Each ticker starts at another bar and is scaled by
another factor, because files with copies compress better than files with prices. Every measurement
runs in its own process, so that its peak memory is measured separately. The benchmark needs 1 GB of
temporary disk space.

    python -m benchmarks store
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
# Number of tickers that are upserted one by one, as ingest does after each request.
TICKERS_SINGLY = 100
TICKERS_READ = 20


class FilePerTicker:
    """Store of Stockcast 0.1: one file per ticker, rewritten by every upsert."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def upsert(self, bars: pl.DataFrame) -> None:
        """Insert or replace bars; write each file with a temporary file, fsync and rename."""
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
        """Return the bars of `tickers`."""
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


SIDES: dict[str, Callable[[Path], BarStore | FilePerTicker]] = {
    "store": BarStore,
    "file per ticker": FilePerTicker,
}


def name_of(ticker: int) -> str:
    """Return the symbol of the ticker with this number."""
    return f"T{ticker:04d}"


def repeated_bars(tickers: range, sessions: range) -> pl.DataFrame:
    """Return repeated sample bars for numbered tickers and sessions, sorted by both."""
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
    """Write the bars of every ticker into both stores."""
    stores = [make(root / side) for side, make in SIDES.items()]
    for first in range(0, n_tickers, TICKERS_AT_ONCE):
        tickers = range(first, min(first + TICKERS_AT_ONCE, n_tickers))
        bars = repeated_bars(tickers, range(n_sessions))
        for store in stores:
            store.upsert(bars)
    for store in stores:
        if isinstance(store, BarStore):
            store.compact()


def measure(side: str, root: Path, workload: str, n_tickers: int, session: int) -> dict[str, float]:
    """Run one workload; return its seconds, number of items and peak memory of the process."""
    store = SIDES[side](root / side)
    n_items = n_tickers
    tickers = range(n_tickers)
    if workload == "session at once":
        new = repeated_bars(tickers, range(session, session + 1))
        started = time.perf_counter()
        store.upsert(new)
    elif workload == "session, singly":
        n_items = min(n_tickers, TICKERS_SINGLY)
        new = repeated_bars(tickers[:n_items], range(session, session + 1))
        each = new.partition_by("ticker")
        started = time.perf_counter()
        for bars in each:
            store.upsert(bars)
    elif workload == "panel, adjusted":
        started = time.perf_counter()
        n_items = pl.concat(adjust_bars(bars) for bars in store.read_in_parts()).height
    elif workload == "one ticker":
        n_items = min(n_tickers, TICKERS_READ)
        names = [name_of(n * n_tickers // n_items) for n in range(n_items)]
        started = time.perf_counter()
        for ticker in names:
            store.read([ticker])
    else:
        started = time.perf_counter()
        n_items = len(store.last_sessions())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "items": n_items, "peak_mb": peak}


WORKLOADS = {
    "session at once": "new session, all tickers at once",
    "session, singly": f"new session, {TICKERS_SINGLY} tickers one by one",
    "panel, adjusted": "panel, read and adjusted",
    "one ticker": f"{TICKERS_READ} reads of one ticker",
    "last sessions": "last sessions of all tickers",
}


@dataclass(frozen=True)
class Figure:
    """Seconds, number of items and peak memory in MB of one workload with one store."""

    seconds: float
    items: int
    peak_mb: float


def in_a_process(function: str, *arguments: object) -> dict[str, float]:
    """Run a function of this module in a new process and return its result."""
    program = (
        "import json, pathlib; from pathlib import PosixPath; from benchmarks import bench_store;"
        f"print(json.dumps(bench_store.{function}{arguments!r}))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=HERE.parent,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, float] = json.loads(completed.stdout)
    return result


def run(
    sizes: Sequence[int] = SIZES, n_sessions: int = N_SESSIONS
) -> dict[int, dict[tuple[str, str], Figure]]:
    """Measure every size; return figures by workload and store. The stores take turns."""
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
            measured: dict[tuple[str, str], list[dict[str, float]]] = {}
            for turn_ in track([None, *turns], f"{size:,} tickers", transient=True):
                if turn_ is None:
                    in_a_process("fill", root, size, n_sessions)
                    continue
                workload, side, turn = turn_
                # Each upsert needs a session that its store does not contain.
                session = n_sessions + turn + repeats * (workload == "session, singly")
                figure = in_a_process("measure", side, root, workload, size, session)
                measured.setdefault((workload, side), []).append(figure)
        results[size] = {key: _quickest(figures) for key, figures in measured.items()}
    return results


def _quickest(figures: Sequence[dict[str, float]]) -> Figure:
    best = min(figures, key=lambda figure: figure["seconds"])
    return Figure(best["seconds"], int(best["items"]), best["peak_mb"])


def main(*, quick: bool = False) -> None:
    """Measure and print. Ratios are comparable between machines, seconds are not."""
    console = Console()
    sizes = (20, 40) if quick else SIZES
    results = run(sizes, 300 if quick else N_SESSIONS)
    for size, figures in results.items():
        n_bars = figures["panel, adjusted", "store"].items
        table = Table(title=f"Bar store: {size:,} tickers, {n_bars / 1e6:.1f} million bars")
        for header in ("workload", "store, s", "MB", "file per ticker, s", "MB", "ratio"):
            table.add_column(header, justify="left" if header == "workload" else "right")
        for workload, label in WORKLOADS.items():
            ours, theirs = (figures[workload, side] for side in SIDES)
            ratio = f"{theirs.seconds / ours.seconds:.1f}x"
            cells = (
                f"{f.seconds:.3f}" if n else f"{f.peak_mb:,.0f}"
                for f in (ours, theirs)
                for n in (1, 0)
            )
            table.add_row(label, *cells, ratio)
        console.print(table)
    console.print(
        f"Seconds per item with {sizes[1]:,} tickers, relative to {sizes[0]:,} tickers"
        " (store, file per ticker):"
    )
    for workload, label in WORKLOADS.items():
        growth = [_growth(results, sizes, workload, side) for side in SIDES]
        console.print(f"  {label}: {growth[0]:.2f}, {growth[1]:.2f}")


def _growth(
    results: dict[int, dict[tuple[str, str], Figure]],
    sizes: Sequence[int],
    workload: str,
    side: str,
) -> float:
    small, large = (results[size][workload, side] for size in sizes)
    return (large.seconds / large.items) / (small.seconds / small.items)
