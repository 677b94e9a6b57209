"""Adjusted real bars of the sample, and windows cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl
from support.market.bars import sample_bars

from forecasting.features.feature_set import FeatureSet, compute_features
from market.bars.adjustments import adjust_bars

PRICES = ("open", "high", "low", "close")


@cache
def adjusted_sample(*tickers: str) -> pl.DataFrame:
    return adjust_bars(sample_bars(*tickers))


def last_rows_of_windows(
    bars: pl.DataFrame, ends: Sequence[int], size: int, features: FeatureSet
) -> np.ndarray:
    """Compute features on windows of one ticker's bars that hold `size` bars and end at `ends`.

    Every window poses as a ticker of its own, so thousands of them take one call.
    """
    rows = np.asarray(ends)[:, None] + np.arange(1 - size, 1)
    windows = bars[rows.ravel()].with_columns(
        ticker=pl.Series(np.repeat(np.arange(len(ends)), size)).cast(pl.String).str.zfill(6)
    )
    last = compute_features(windows, features).group_by("ticker", maintain_order=True).last()
    return last.select(features.names).to_numpy()
