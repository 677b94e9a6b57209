"""Small panels of real sample prices, with the option to change later prices."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from support.market.bars import sample_bars

from forecasting.features.feature_set import compute_features, feature_set
from forecasting.samples.panel import Panel, build_panel
from market.bars.adjustments import adjust_bars

LOOKBACK = 10


@cache
def sample_panel(
    *tickers: str,
    start: date = date(2004, 1, 2),
    end: date = date(2008, 1, 2),
    shaken_after: date | None = None,
) -> Panel:
    """Samples of real bars; prices after `shaken_after` are changed."""
    bars = sample_bars(*tickers, start=start, end=end)
    if shaken_after is not None:
        bars = _shake(bars, shaken_after)
    adjusted = adjust_bars(bars)
    return build_panel(compute_features(adjusted, feature_set()), adjusted, LOOKBACK)


def rows_between(panel: Panel, start: date, end: date) -> NDArray[np.int64]:
    """Samples from session `start` to session `end`, both included, with known targets."""
    sessions = panel.sample_sessions
    inside = (sessions >= np.datetime64(start)) & (sessions <= np.datetime64(end))
    return np.flatnonzero(inside & np.isfinite(panel.log_returns).all(axis=1))


def _shake(bars: pl.DataFrame, after: date) -> pl.DataFrame:
    """Multiply every price after `after` by a factor that grows from session to session."""
    later = pl.col("session") > after
    factor = pl.when(later).then(1.5 + 0.01 * later.cum_sum().over("ticker")).otherwise(1.0)
    prices = ("open", "high", "low", "close", "adj_close")
    return bars.with_columns(pl.col(name) * factor for name in prices)
