"""Fold forecasts without models: seeded outcomes, and members with the true scale."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy import stats

from forecasting.distribution.levels import LEVELS
from forecasting.evaluation.walk_forward import (
    EXCLUDED_SCHEMA,
    FOLD_SCHEMA,
    TRAINING_SCHEMA,
    FoldForecasts,
)
from forecasting.horizons import HORIZONS

START = date(2015, 1, 1)
TICKERS = ("AAA", "BBB", "CCC")


def synthetic_folds(
    *,
    n_folds: int = 3,
    test_size: int = 150,
    tickers: Sequence[str] = TICKERS,
    scale_factor: float = 1.0,
    seed: int = 0,
) -> list[FoldForecasts]:
    """Folds 0 to `n_folds`; every day is a session, and outcomes of long horizons overlap."""
    rng = np.random.default_rng(seed)
    days = (n_folds + 1) * test_size
    noise = 0.01 * rng.standard_t(5, size=(len(tickers), days + max(HORIZONS)))
    folds = []
    for fold in range(n_folds + 1):
        offsets = np.arange(fold * test_size, (fold + 1) * test_size)
        blocks = [
            _block((fold, ticker, h), offsets, noise[i], scale_factor=scale_factor, rng=rng)
            for i, ticker in enumerate(tickers)
            for h in HORIZONS
        ]
        folds.append(pl.concat(blocks))
    return [with_earlier_rows(folds, fold) for fold in range(n_folds + 1)]


def with_earlier_rows(folds: Sequence[pl.DataFrame], fold: int) -> FoldForecasts:
    """Return one of the folds; its training samples are the rows of earlier folds."""
    empty = pl.DataFrame(schema=TRAINING_SCHEMA)
    earlier = [rows.select(TRAINING_SCHEMA.names()) for rows in folds[:fold]]
    return FoldForecasts(
        folds[fold], pl.concat([empty, *earlier]), pl.DataFrame(schema=EXCLUDED_SCHEMA)
    )


def _block(
    key: tuple[int, str, int],
    offsets: np.ndarray,
    noise: np.ndarray,
    *,
    scale_factor: float,
    rng: np.random.Generator,
) -> pl.DataFrame:
    fold, ticker, horizon = key
    n, unit = len(offsets), 0.013 * np.sqrt(horizon)
    outcome = np.array([noise[o + 1 : o + 1 + horizon].sum() for o in offsets])
    quantiles = np.broadcast_to(unit * stats.norm.ppf(LEVELS), (n, len(LEVELS)))
    return pl.DataFrame(
        {
            "fold": np.full(n, fold),
            "ticker": [ticker] * n,
            "as_of": [START + timedelta(days=int(o)) for o in offsets],
            "target_session": [START + timedelta(days=int(o) + horizon) for o in offsets],
            "horizon": np.full(n, horizon),
            "log_return": outcome,
            "unit": np.full(n, unit),
            "location": np.full(n, 3e-4 * horizon),
            "linear_scale": scale_factor * unit * np.exp(0.1 * rng.normal(size=n)),
            "student_scale": scale_factor * unit * np.exp(0.1 * rng.normal(size=n)),
            "forest_scale": scale_factor * unit * np.exp(0.1 * rng.normal(size=n)),
            "lstm_scale": scale_factor * unit * np.exp(0.1 * rng.normal(size=n)),
            "naive_mean": np.zeros(n),
            "garch_mean": np.full(n, 1e-4 * horizon),
            "naive_quantiles": 1.2 * quantiles,
            "garch_quantiles": quantiles + 1e-4 * horizon,
        },
        schema=FOLD_SCHEMA,
    )
