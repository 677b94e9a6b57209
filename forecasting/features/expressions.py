"""Columns, constants and formulas that several built-in features share.

Each expression covers the bars of one ticker in session order and reads no later bar than its own.
Like `forecasting.features.built_in`, the code of this module enters the version hash.
"""

from __future__ import annotations

import math

import polars as pl
import polars_talib as plta

OPEN, HIGH, LOW, CLOSE = (pl.col(name) for name in ("open", "high", "low", "close"))
VOLUME = pl.col("volume")
BARS = "_bars"
LOG_RETURN = pl.col("_log_return")
SQUARED_RANGE = pl.col("_squared_range")
EWMA = pl.col("_ewma")

# A smaller move, as a share of the price, is a rounding error of the adjustment.
SMALLEST_MOVE = 1e-6

# RiskMetrics (1996) for daily data. Returns older than `MEMORY` hold 0.06 % of the weight.
DECAY, MEMORY = 0.94, 120

# A smaller volume is a rounding error of a running sum.
HALF_A_SHARE = 0.5


def shared_columns() -> dict[str, pl.Expr]:
    """Return the intermediate columns that features read; `BARS` numbers the bars of a ticker.

    Examples
    --------
    >>> bars = pl.DataFrame({"close": [100.0, 110.0, 99.0]})
    >>> bars.select(shared_columns()["_log_return"].round(4)).to_series().to_list()
    [None, 0.0953, -0.1054]
    """
    open_to_close = (CLOSE / OPEN).log()
    squared_range = (HIGH / LOW).log() ** 2
    garman_klass = 0.5 * squared_range - (2 * math.log(2) - 1) * open_to_close**2
    gap = (OPEN / CLOSE.shift(1)).log()
    ewma = (CLOSE / CLOSE.shift(1)).log().pow(2).ewm_mean(alpha=1 - DECAY, adjust=False)
    return {
        BARS: pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        "_log_return": (CLOSE / CLOSE.shift(1)).log(),
        "_squared_range": squared_range,
        "_garman_klass": garman_klass,
        "_gap": gap,
        "_variance": gap**2 + garman_klass.clip(lower_bound=0.0),
        "_macd": plta.macd(CLOSE, fastperiod=12, slowperiod=26, signalperiod=9),
        "_low_14": LOW.rolling_min(14),
        "_high_14": HIGH.rolling_max(14),
        "_mean_20": CLOSE.rolling_mean(20),
        "_deviation_20": CLOSE.rolling_std(20, ddof=0),
        **{f"_volume_{span}": VOLUME.rolling_mean(span) for span in (5, 20, 50)},
        "_ewma": ewma,
        "_volatility": ewma_volatility(ewma),
    }


def ratio_above(numerator: pl.Expr, denominator: pl.Expr, *, floor: pl.Expr | float) -> pl.Expr:
    """Return the ratio where the denominator exceeds `floor`, else 0, the neutral value.

    Examples
    --------
    >>> frame = pl.DataFrame({"a": [1.0, 1.0], "b": [4.0, 0.0]})
    >>> frame.select(ratio_above(pl.col("a"), pl.col("b"), floor=0.5)).to_series().to_list()
    [0.25, 0.0]
    """
    return value_where(denominator > floor, numerator / denominator)


def value_where(is_defined: pl.Expr, value: pl.Expr) -> pl.Expr:
    """Return `value` where it is defined, else 0, the neutral value.

    Examples
    --------
    >>> frame = pl.DataFrame({"a": [1.0, -1.0]})
    >>> frame.select(value_where(pl.col("a") > 0, pl.col("a"))).to_series().to_list()
    [1.0, 0.0]
    """
    return pl.when(is_defined).then(value).otherwise(0.0)


def root_mean(squared: pl.Expr, span: int) -> pl.Expr:
    """Return the square root of the mean of `squared` over `span` sessions.

    Examples
    --------
    >>> frame = pl.DataFrame({"squared": [1.0, 9.0, 23.0]})
    >>> frame.select(root_mean(pl.col("squared"), 2)).to_series().round(4).to_list()
    [None, 2.2361, 4.0]
    """
    # A running sum of tiny values can be slightly negative.
    return squared.rolling_mean(span).clip(lower_bound=0.0).sqrt()


def ewma_volatility(recursion: pl.Expr = EWMA) -> pl.Expr:
    """Return the volatility per session from the last `MEMORY` squared log returns.

    The exponentially weighted mean of RiskMetrics (1996) never forgets a return. Subtracting
    ``DECAY**MEMORY`` times its value `MEMORY` sessions ago removes all older returns exactly.
    `recursion` is the column ``_ewma`` of `shared_columns`, or its formula. Null where the price
    did not move.

    Examples
    --------
    >>> bars = pl.DataFrame({"close": [100.0 * 1.01**t for t in range(200)]})
    >>> ewma = bars.select(_ewma=shared_columns()["_ewma"])
    >>> ewma.select(ewma_volatility()).to_series().round(6).to_list()[-1]
    0.00995
    """
    tail = DECAY**MEMORY
    variance = (recursion - tail * recursion.shift(MEMORY)) / (1 - tail)
    return pl.when(variance > SMALLEST_MOVE**2).then(variance.sqrt())
