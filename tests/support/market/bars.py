"""Bars for tests: seeded synthetic bars, and slices of the real sample."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from market.bars.contract import BAR_SCHEMA
from market.calendars.sessions import Sessions
from market.providers.sample.provider import SampleProvider


@cache
def xnys() -> Sessions:
    return Sessions("XNYS")


def synthetic_bars(
    tickers: Sequence[str] = ("AAA", "BBB"),
    *,
    n_sessions: int = 300,
    start: date = date(2010, 1, 4),
    seed: int = 0,
) -> pl.DataFrame:
    """Return valid bars on XNYS sessions with clustered volatility, as in real bars."""
    sessions = xnys().between(start, xnys().last).head(n_sessions)
    rng = np.random.default_rng(seed)
    frames = [_synthetic_ticker(ticker, sessions, rng) for ticker in sorted(tickers)]
    return pl.concat(frames)


def _synthetic_ticker(ticker: str, sessions: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    n = len(sessions)
    log_return, variance = np.empty(n), 1e-4
    for t in range(n):
        log_return[t] = np.sqrt(variance) * rng.standard_t(6) / np.sqrt(1.5)
        variance = 4e-6 + 0.08 * log_return[t] ** 2 + 0.88 * variance
    close = 50 * np.exp(np.cumsum(log_return))
    open_ = close * np.exp(0.004 * rng.standard_normal(n))
    high = np.maximum(open_, close) * np.exp(np.abs(0.006 * rng.standard_normal(n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(0.006 * rng.standard_normal(n)))
    columns: dict[str, Any] = {
        "ticker": [ticker] * n,
        "session": sessions,
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "adj_close": close,
        "volume": rng.lognormal(14, 0.3, n).astype(np.int64),
        "split_factor": [1.0] * n,
        "dividend": [0.0] * n,
        "source": ["synthetic"] * n,
    }
    return pl.DataFrame(columns, schema=BAR_SCHEMA)


def sample_bars(
    *tickers: str, start: date = date(2000, 3, 1), end: date = date(2013, 3, 1)
) -> pl.DataFrame:
    """Return real bars of the sample (by default all tickers), sorted by key."""
    selected = tickers or SampleProvider().tickers()
    bars = pl.concat([_whole_sample(ticker) for ticker in sorted(selected)])
    return bars.filter(pl.col("session").is_between(start, end))


@cache
def _whole_sample(ticker: str) -> pl.DataFrame:
    return SampleProvider().fetch(ticker)
