"""Homes for the service: a tiny registered bundle, and the real windows of the sample."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.service.servers import ROOT

if TYPE_CHECKING:
    from support.serving.homes import TestHome

    from forecasting.snapshot import Snapshot

sys.path.insert(0, str(ROOT / "tests"))


@contextmanager
def small_home() -> Iterator[TestHome]:
    """Yield a temporary home with a champion and the snapshot of the sample."""
    from support.serving.homes import make_home  # noqa: PLC0415  needs the path above

    with tempfile.TemporaryDirectory(prefix="stockcast-bench-") as folder:
        yield make_home(Path(folder, "home"))


def many_tickers(n: int) -> Snapshot:
    """Return the windows of the sample with a little noise, under `n` names."""
    from support.serving.homes import sample_snapshot  # noqa: PLC0415  needs the path above

    snapshot = sample_snapshot()
    at = np.arange(n) % len(snapshot.tickers)
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal((n, 1, 1))

    def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[row] for row in at)

    return replace(
        snapshot,
        tickers=tuple(f"T{place:04d}" for place in range(n)),
        exchanges=pick(snapshot.exchanges),
        as_of=pick(snapshot.as_of),
        close=pick(snapshot.close),
        target_sessions={h: pick(days) for h, days in snapshot.target_sessions.items()},
        windows=np.ascontiguousarray(snapshot.windows[at] * noise, np.float32),
        prices=None if snapshot.prices is None else snapshot.prices[at],
    )


def bars_of_a_caller(n: int) -> bytes:
    """Return the body of `POST /predict` with `n` real bars."""
    from support.serving.homes import recent_bars  # noqa: PLC0415  needs the path above

    columns = ("session", "open", "high", "low", "close", "volume", "adj_close")
    rows = recent_bars().filter(ticker="MSFT").tail(n).select(columns)
    bars = json.loads(rows.with_columns(pl.col("session").cast(pl.String)).write_json())
    return json.dumps({"ticker": "MINE", "horizon": "1d", "bars": bars}).encode()
