"""Features of Stockcast and the same indicators of `ta`, on the real bars of the sample.

Both sides compute the same indicators from the same adjusted bars, in turns in one process.

    python -m benchmarks features
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
from rich.console import Console
from rich.table import Table
from ta import momentum, others, trend, volatility, volume

from benchmarks.timing import Comparison, compare
from forecasting.features.feature_set import FeatureSet, compute_features, feature_set
from market.bars.adjustments import adjust_bars
from market.providers.sample.provider import SampleProvider

# Features that `ta` can compute. It has no Parkinson, Garman-Klass or EWMA volatility.
SHARED = (
    *(f"log_return_past_{span}" for span in (1, 2, 5, 10, 21)),
    "log_return_past_1_lag_1",
    *(f"close_to_sma_{span}" for span in (5, 20, 50)),
    *("macd", "macd_histogram", "adx_14", "directional_14", "close_to_high_63", "rsi_14"),
    *("bollinger_position_20", "stochastic_14", "cci_20", "atr_14", "obv_flow_20"),
)


def compute_with_ta(bars: pd.DataFrame) -> dict[str, pd.Series]:
    """Compute the indicators of `SHARED` for one ticker."""
    high, low, close = bars["high"], bars["low"], bars["close"]
    daily = others.daily_log_return(close)
    return {
        "daily_log_return": daily,
        "lag": daily.shift(1),
        **{f"roc_{span}": momentum.roc(close, span) for span in (2, 5, 10, 21)},
        **{f"sma_{span}": trend.sma_indicator(close, span) for span in (5, 20, 50)},
        "macd": trend.macd(close),
        "macd_diff": trend.macd_diff(close),
        "adx": trend.adx(high, low, close),
        "adx_pos": trend.adx_pos(high, low, close),
        "adx_neg": trend.adx_neg(high, low, close),
        "highest": volatility.donchian_channel_hband(high, low, close, 63),
        "rsi": momentum.rsi(close),
        "bollinger_pband": volatility.bollinger_pband(close),
        "stoch": momentum.stoch(high, low, close),
        "cci": trend.cci(high, low, close),
        "average_true_range": volatility.average_true_range(high, low, close),
        "on_balance_volume": volume.on_balance_volume(close, bars["volume"]),
    }


def compare_on(bars: pl.DataFrame, repeats: int) -> dict[str, Comparison]:
    """Time the shared features, and all features, against `ta` on the same bars."""
    frames = [part.to_pandas() for part in bars.partition_by("ticker")]
    every = feature_set()
    shared = FeatureSet(tuple(f for f in every.features if f.name in SHARED))

    def with_ta() -> None:
        for frame in frames:
            compute_with_ta(frame)

    return {
        f"{len(SHARED)} shared": compare(lambda: compute_features(bars, shared), with_ta, repeats),
        f"all {len(every.names)}": compare(lambda: compute_features(bars, every), with_ta, repeats),
    }


def run(repeats: int = 5) -> dict[str, dict[str, Comparison]]:
    """Return comparisons by workload: the whole panel, and one window for serving."""
    provider = SampleProvider()
    panel = adjust_bars(pl.concat([provider.fetch(ticker) for ticker in provider.tickers()]))
    window = panel.filter(pl.col("ticker") == "AAPL").tail(150)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {
            f"panel of {panel['ticker'].n_unique()} tickers, {panel.height} bars": compare_on(
                panel, repeats
            ),
            f"window of {window.height} bars": compare_on(window, 3 * repeats),
        }


def main(*, quick: bool = False) -> None:
    """Measure and print. Ratios are comparable between machines, milliseconds are not."""
    results = run(1 if quick else 5)
    table = Table(title="Features: Stockcast and ta")
    for header in ("workload", "features", "Stockcast, ms", f"ta ({len(SHARED)}), ms", "ratio"):
        table.add_column(header, justify="left" if header == "workload" else "right")
    for workload, comparisons in results.items():
        for features, c in comparisons.items():
            ours, theirs = f"{c.median_a * 1e3:.2f}", f"{c.median_b * 1e3:.1f}"
            table.add_row(workload, features, ours, theirs, f"{c.ratio:.0f}x")
    Console().print(table)
