"""The ordered list of built-in features: what each one is, in Polars expressions.

Belongs here: formulas over the columns of ONE ticker in session order, and nothing that looks later
than the row it fills. Does not belong here: how the list is applied to many tickers
(`forecasting.features.feature_set`), or indicators that ``ta`` computes (`forecasting.features.ta_indicators`).

Any change to the code of this module changes the version hash of every feature set, so a bundle
never meets features that were computed in another way. Comments, docstrings and layout do not
count.
"""

from __future__ import annotations

import inspect
import math
import sys
from functools import cache, partial

import polars as pl
import polars_talib as plta

from forecasting.features.spec import EXACT, MAX_WARMUP, VOLATILITY, Feature, code_digest

OPEN, HIGH, LOW, CLOSE = (pl.col(name) for name in ("open", "high", "low", "close"))
VOLUME = pl.col("volume")
BARS = "_bars"
LOG_RETURN = pl.col("_log_return")
SQUARED_RANGE = pl.col("_squared_range")

# A move of less than this share of the price is rounding of the adjustment, not a move.
SMALLEST_MOVE = 1e-6

# RiskMetrics (1996) for daily data; what is older than the memory holds 0.06 % of the weight.
DECAY, MEMORY = 0.94, 120

# Less volume than this is rounding of a running sum.
HALF_A_SHARE = 0.5


def basis() -> dict[str, pl.Expr]:
    """Return the intermediate columns that features share; `BARS` counts a ticker's bars."""
    open_to_close = (CLOSE / OPEN).log()
    squared_range = (HIGH / LOW).log() ** 2
    return {
        BARS: pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        "_log_return": (CLOSE / CLOSE.shift(1)).log(),
        "_squared_range": squared_range,
        "_garman_klass": 0.5 * squared_range - (2 * math.log(2) - 1) * open_to_close**2,
        "_macd": plta.macd(CLOSE, fastperiod=12, slowperiod=26, signalperiod=9),
        "_low_14": LOW.rolling_min(14),
        "_high_14": HIGH.rolling_max(14),
        "_mean_20": CLOSE.rolling_mean(20),
        "_deviation_20": CLOSE.rolling_std(20, ddof=0),
        **{f"_volume_{span}": VOLUME.rolling_mean(span) for span in (5, 20, 50)},
        "_ewma": (CLOSE / CLOSE.shift(1)).log().pow(2).ewm_mean(alpha=1 - DECAY, adjust=False),
    }


@cache
def built_in_features() -> tuple[Feature, ...]:
    """Return the built-in features in the order in which models see them."""
    return (
        *_return_features(),
        *_trend_features(),
        *_oscillator_features(),
        *_volume_features(),
        *_volatility_features(),
        *_calendar_features(),
    )


def _return_features() -> list[Feature]:
    """Log returns carry `past` in their name: `log_return_5` alone is a target."""
    new = partial(_feature, "return")
    spans = [
        new(
            f"log_return_past_{span}",
            span + 1,
            (CLOSE / CLOSE.shift(span)).log(),
            f"Log return over the last {span} sessions.",
        )
        for span in (1, 2, 5, 10, 21)
    ]
    lag = new("log_return_past_1_lag_1", 3, LOG_RETURN.shift(1), "Log return a session before.")
    gap = new("gap", 2, (OPEN / CLOSE.shift(1)).log(), "Log of open over last close.")
    return [*spans, lag, gap]


def _trend_features() -> list[Feature]:
    new = partial(_feature, "trend")
    averages = [
        new(
            f"close_to_sma_{span}",
            span,
            CLOSE / CLOSE.rolling_mean(span) - 1,
            f"Close over its mean of {span} sessions, less one.",
        )
        for span in (5, 20, 50)
    ]
    macd = pl.col("_macd").struct
    plus, minus = (f(HIGH, LOW, CLOSE, timeperiod=14) for f in (plta.plus_di, plta.minus_di))
    return [
        *averages,
        new(
            "macd",
            MAX_WARMUP,
            macd.field("macd") / CLOSE,
            "EMA(12) less EMA(26) of the close, over the close.",
            tolerance=2e-4,
        ),
        new(
            "macd_histogram",
            MAX_WARMUP,
            macd.field("macdhist") / CLOSE,
            "MACD less its EMA(9), over the close.",
            tolerance=1e-4,
        ),
        new(
            "adx_14",
            MAX_WARMUP,
            plta.adx(HIGH, LOW, CLOSE, timeperiod=14) / 100,
            "Average directional index (Wilder), 0 to 1.",
            tolerance=2e-3,
        ),
        new(
            "directional_14",
            MAX_WARMUP,
            (plus - minus) / 100,
            "Plus less minus directional indicator (Wilder), -1 to 1.",
            tolerance=1e-3,
        ),
        new(
            "close_to_high_63",
            63,
            (CLOSE / HIGH.rolling_max(63)).log(),
            "Log of the close over the highest high of 63 sessions.",
        ),
    ]


def _oscillator_features() -> list[Feature]:
    new = partial(_feature, "oscillator")
    lowest, highest = pl.col("_low_14"), pl.col("_high_14")
    mean, deviation = pl.col("_mean_20"), pl.col("_deviation_20")
    moved = deviation > SMALLEST_MOVE * CLOSE
    return [
        new(
            "rsi_14",
            MAX_WARMUP,
            # TA-Lib's CMO is RSI / 50 - 1 on the same Wilder averages, and 0 where nothing moved.
            plta.cmo(CLOSE, timeperiod=14) / 100,
            "Relative strength index (Wilder) moved to -1 to 1; 0 where nothing moved.",
            tolerance=2e-3,
        ),
        new(
            "bollinger_position_20",
            20,
            _ratio(CLOSE - mean, 2 * deviation, floor=SMALLEST_MOVE * CLOSE),
            "Close less SMA(20) in Bollinger half-widths (2 deviations); 0 where nothing moved.",
            tolerance=1e-6,
        ),
        new(
            "stochastic_14",
            14,
            _ratio(2 * CLOSE - highest - lowest, highest - lowest, floor=SMALLEST_MOVE * CLOSE),
            "Place of the close in the range of 14 sessions, -1 to 1; 0 where nothing moved.",
        ),
        new(
            "cci_20",
            20,
            _where(moved, plta.cci(HIGH, LOW, CLOSE, timeperiod=20) / 100),
            "Commodity channel index over 100; 0 where the close stood still.",
            tolerance=1e-6,
        ),
    ]


def _volume_features() -> list[Feature]:
    new = partial(_feature, "volume")
    signed = CLOSE.diff().sign() * VOLUME
    week, month, quarter = (pl.col(f"_volume_{span}") for span in (5, 20, 50))
    return [
        new(
            "obv_flow_20",
            21,
            _ratio(signed.rolling_mean(20), month, floor=HALF_A_SHARE),
            "Change of on-balance volume over 20 sessions, over their volume; 0 without volume.",
        ),
        new(
            "volume_ratio_20",
            20,
            _ratio(VOLUME - month, VOLUME + month, floor=HALF_A_SHARE),
            "Volume against its mean of 20 sessions, (a - b) / (a + b); 0 without volume.",
        ),
        new(
            "volume_trend_5_50",
            50,
            _ratio(week - quarter, week + quarter, floor=HALF_A_SHARE),
            "Mean volume of 5 against 50 sessions, (a - b) / (a + b); 0 without volume.",
        ),
    ]


def _volatility_features() -> list[Feature]:
    new = partial(_feature, "volatility")
    return [
        new(
            "atr_14",
            MAX_WARMUP,
            plta.natr(HIGH, LOW, CLOSE, timeperiod=14) / 100,
            "Average true range (Wilder) over the close.",
            tolerance=1e-4,
        ),
        *(
            new(
                f"parkinson_{span}",
                span,
                _root_mean(SQUARED_RANGE, span) / math.sqrt(4 * math.log(2)),
                f"Parkinson (1980) volatility a session, over {span} sessions.",
                tolerance=1e-7,
            )
            for span in (1, 5, 21)
        ),
        *(
            new(
                f"garman_klass_{span}",
                span,
                _root_mean(pl.col("_garman_klass"), span),
                f"Garman-Klass (1980) volatility a session, over {span} sessions.",
                tolerance=1e-7,
            )
            for span in (5, 21)
        ),
        *(
            new(
                f"abs_return_{span}",
                span + 1,
                LOG_RETURN.abs().rolling_mean(span),
                f"Mean absolute log return of {span} sessions.",
            )
            for span in (5, 21, 63)
        ),
        new(
            VOLATILITY,
            MEMORY + 2,
            _ewma_volatility(),
            "Volatility a session: EWMA of the last 120 squared log returns, mean 0, decay 0.94. "
            "Null where nothing moved: it is the unit of every forecast.",
        ),
    ]


def _calendar_features() -> list[Feature]:
    new = partial(_feature, "calendar")
    angle = pl.col("session").dt.weekday() * (2 * math.pi / 7)
    return [
        new("weekday_sin", 1, angle.sin(), "Day of the week as a point: sine."),
        new("weekday_cos", 1, angle.cos(), "Day of the week as a point: cosine."),
    ]


def _feature(
    group: str,
    name: str,
    warmup: int,
    expression: pl.Expr,
    description: str,
    *,
    tolerance: float = EXACT,
) -> Feature:
    return Feature(name, group, warmup, tolerance, description, _own_code(), expression)


def _ratio(numerator: pl.Expr, denominator: pl.Expr, floor: pl.Expr | float) -> pl.Expr:
    """Divide; 0, the neutral value, where the denominator is not above `floor`."""
    return _where(denominator > floor, numerator / denominator)


def _where(defined: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(defined).then(value).otherwise(0.0)


def _root_mean(squared: pl.Expr, span: int) -> pl.Expr:
    """Take the root of a rolling mean; running sums may end a hair below zero."""
    return squared.rolling_mean(span).clip(lower_bound=0.0).sqrt()


def _ewma_volatility() -> pl.Expr:
    """Cut the recursion off after `MEMORY` returns: EWMA_t - decay^memory EWMA_(t-memory)."""
    recursion, tail = pl.col("_ewma"), DECAY**MEMORY
    variance = (recursion - tail * recursion.shift(MEMORY)) / (1 - tail)
    return pl.when(variance > SMALLEST_MOVE**2).then(variance.sqrt())


@cache
def _own_code() -> str:
    return code_digest(inspect.getsource(sys.modules[__name__]))
