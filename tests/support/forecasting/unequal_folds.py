"""Fold forecasts of unequal members: units vary by row, tickers move together, tails are skewed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
from scipy import stats
from scipy.signal import lfilter
from support.forecasting.folds import with_earlier_rows

from forecasting.distribution.levels import LEVELS
from forecasting.evaluation.walk_forward import FOLD_SCHEMA, FoldForecasts
from forecasting.horizons import HORIZONS

START = date(2015, 1, 1)
TICKERS = ("AAA", "BBB", "CCC")


@cache
def unequal_folds(
    *, n_folds: int = 3, test_size: int = 120, seed: int = 5
) -> tuple[FoldForecasts, ...]:
    """Folds 0 to `n_folds`. The LSTM has skill in its scale; the forest's is noise.

    Locations are persistent, so overlapping targets matter. The units of a session differ between
    tickers by a factor of up to 10, and change over time.
    """
    rng = np.random.default_rng(seed)
    days = (n_folds + 1) * test_size
    shape = (len(TICKERS), days + max(HORIZONS))
    level = np.array([0.004, 0.012, 0.04])[:, None]
    volatility = level * np.exp(0.6 * np.sin(np.arange(shape[1]) / 40 + level * 100))
    surprise = np.exp(0.4 * _persistent(rng, shape))
    drift = 0.4 * _persistent(rng, shape)
    common, own = (_skewed(rng, size) for size in (shape[1], shape))
    moves = volatility * (drift + surprise * (0.8 * common + 0.6 * own))
    state = {"volatility": volatility, "surprise": surprise, "drift": drift, "moves": moves}
    noise = {"scale": _persistent(rng, shape)}
    frame = pl.concat(
        _block(ticker, horizon, {name: values[i] for name, values in (state | noise).items()})
        for i, ticker in enumerate(TICKERS)
        for horizon in HORIZONS
    ).with_columns(fold=(pl.col("as_of") - START).dt.total_days() // test_size)
    columns = frame.select(FOLD_SCHEMA.names()).cast(FOLD_SCHEMA)  # type: ignore[arg-type]
    folds = [columns.filter(fold=fold) for fold in range(n_folds + 1)]
    return tuple(with_earlier_rows(folds, fold) for fold in range(n_folds + 1))


def _block(ticker: str, horizon: int, of: dict[str, np.ndarray]) -> pl.DataFrame:
    n = len(of["moves"]) - max(HORIZONS)
    now = slice(0, n)
    unit = of["volatility"][now] * np.sqrt(horizon)
    sums = np.concatenate([[0.0], np.cumsum(of["moves"])])
    offsets = np.arange(n)
    quantiles = stats.norm.ppf(LEVELS) * unit[:, None]
    return pl.DataFrame(
        {
            "ticker": [ticker] * n,
            "as_of": [START + timedelta(days=int(day)) for day in offsets],
            "target_session": [START + timedelta(days=int(day) + horizon) for day in offsets],
            "horizon": np.full(n, horizon),
            "log_return": sums[offsets + 1 + horizon] - sums[offsets + 1],
            "unit": unit,
            "location": unit * 0.3 * of["drift"][now],
            "linear_scale": 0.9 * unit * of["surprise"][now] ** 0.2,
            "student_scale": unit * np.exp(0.3 * of["scale"][now]),
            "forest_scale": 0.7 * unit * np.exp(0.5 * of["scale"][now]),
            "lstm_scale": 1.5 * unit * np.sqrt(of["surprise"][now]),
            "naive_mean": np.zeros(n),
            "garch_mean": np.full(n, 1e-4 * horizon),
            "naive_quantiles": 1.2 * quantiles,
            "garch_quantiles": quantiles + 1e-4 * horizon,
        }
    )


def _persistent(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return rows of autocorrelated normal values with variance 1."""
    noise = rng.normal(size=(shape[0], shape[1] + 200))
    rows: np.ndarray = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], noise, axis=1)[:, 200:]
    return rows


def _skewed(rng: np.random.Generator, size: int | tuple[int, int]) -> np.ndarray:
    """Return values with mean 0, variance 1 and a long left tail."""
    return (2 - rng.gamma(2.0, size=size)) / np.sqrt(2)
