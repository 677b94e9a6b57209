"""The ordered list of built-in features.

Each formula covers the bars of one ticker in session order and reads no later bar than its own.
Indicators of the `ta` package are in `forecasting.features.ta_indicators`.

To add a feature, append it to its family below, with a description of meaning and unit. Any change
of a formula, constant, warm-up or order changes the version hash of every feature set, so a bundle
is never run on features that were computed differently.
"""

from __future__ import annotations

import inspect
import math
import sys
from functools import cache, partial

import polars as pl
import polars_talib as plta

from forecasting.features import expressions, log_volatility
from forecasting.features.expressions import (
    CLOSE,
    HALF_A_SHARE,
    HIGH,
    LOG_RETURN,
    LOW,
    MEMORY,
    OPEN,
    SMALLEST_MOVE,
    SQUARED_RANGE,
    VOLUME,
    ewma_volatility,
    ratio_above,
    root_mean,
    value_where,
)
from forecasting.features.log_volatility import log_volatility_features
from forecasting.features.spec import EXACT, MAX_WARMUP, VOLATILITY, Feature, code_digest


@cache
def built_in_features() -> tuple[Feature, ...]:
    """Return the built-in features in the order of the models' inputs.

    Examples
    --------
    >>> features = built_in_features()
    >>> [(feature.name, feature.warmup) for feature in features[:3]]
    [('log_return_past_1', 2), ('log_return_past_2', 3), ('log_return_past_5', 6)]
    """
    return (
        *_return_features(),
        *_average_features(),
        *_trend_features(),
        *_oscillator_features(),
        *_volume_features(),
        *_range_features(),
        *_volatility_features(),
        *_calendar_features(),
        *log_volatility_features(_feature),
    )


def _return_features() -> list[Feature]:
    """Return past log returns; their names contain `past` because `log_return_5` is a target."""
    new = partial(_feature, "return")
    past = [
        new(
            f"log_return_past_{span}",
            span + 1,
            (CLOSE / CLOSE.shift(span)).log(),
            description=f"Log return over the last {span} sessions.",
        )
        for span in (1, 2, 5, 10, 21)
    ]
    return [
        *past,
        new(
            "log_return_past_1_lag_1",
            3,
            LOG_RETURN.shift(1),
            description="Log return of the previous session.",
        ),
        new(
            "gap",
            2,
            (OPEN / CLOSE.shift(1)).log(),
            description="Log return from the previous close to the open.",
        ),
    ]


def _average_features() -> list[Feature]:
    return [
        _feature(
            "trend",
            f"close_to_sma_{span}",
            span,
            CLOSE / CLOSE.rolling_mean(span) - 1,
            description=f"Close divided by its mean over {span} sessions, minus 1.",
        )
        for span in (5, 20, 50)
    ]


def _trend_features() -> list[Feature]:
    new = partial(_feature, "trend")
    macd = pl.col("_macd").struct
    plus, minus = (f(HIGH, LOW, CLOSE, timeperiod=14) for f in (plta.plus_di, plta.minus_di))
    return [
        new(
            "macd",
            MAX_WARMUP,
            macd.field("macd") / CLOSE,
            description="EMA(12) minus EMA(26) of the close, divided by the close (Appel).",
            tolerance=2e-4,
        ),
        new(
            "macd_histogram",
            MAX_WARMUP,
            macd.field("macdhist") / CLOSE,
            description="MACD minus its EMA(9), divided by the close.",
            tolerance=1e-4,
        ),
        new(
            "adx_14",
            MAX_WARMUP,
            plta.adx(HIGH, LOW, CLOSE, timeperiod=14) / 100,
            description="Average directional index (Wilder 1978), 0 to 1.",
            tolerance=2e-3,
        ),
        new(
            "directional_14",
            MAX_WARMUP,
            (plus - minus) / 100,
            description="Plus minus minus directional indicator (Wilder 1978), -1 to 1.",
            tolerance=1e-3,
        ),
        new(
            "close_to_high_63",
            63,
            (CLOSE / HIGH.rolling_max(63)).log(),
            description="Log of the close divided by the highest high of 63 sessions.",
        ),
    ]


def _oscillator_features() -> list[Feature]:
    new = partial(_feature, "oscillator")
    lowest, highest = pl.col("_low_14"), pl.col("_high_14")
    mean, deviation = pl.col("_mean_20"), pl.col("_deviation_20")
    has_moved = deviation > SMALLEST_MOVE * CLOSE
    return [
        new(
            "rsi_14",
            MAX_WARMUP,
            # TA-Lib's CMO is RSI / 50 - 1 on the same Wilder averages, and 0 without a move.
            plta.cmo(CLOSE, timeperiod=14) / 100,
            description="Relative strength index (Wilder 1978), -1 to 1; 0 without a move.",
            tolerance=2e-3,
        ),
        new(
            "bollinger_position_20",
            20,
            ratio_above(CLOSE - mean, 2 * deviation, floor=SMALLEST_MOVE * CLOSE),
            description="Close minus SMA(20), over two standard deviations; 0 without a move.",
            tolerance=1e-6,
        ),
        new(
            "stochastic_14",
            14,
            ratio_above(
                2 * CLOSE - highest - lowest, highest - lowest, floor=SMALLEST_MOVE * CLOSE
            ),
            description="Close within the range of 14 sessions, -1 to 1; 0 without a move.",
        ),
        new(
            "cci_20",
            20,
            value_where(has_moved, plta.cci(HIGH, LOW, CLOSE, timeperiod=20) / 100),
            description="Commodity channel index (Lambert) divided by 100; 0 without a move.",
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
            ratio_above(signed.rolling_mean(20), month, floor=HALF_A_SHARE),
            description="Change of on-balance volume over 20 sessions, divided by their volume; "
            "0 without volume.",
        ),
        new(
            "volume_ratio_20",
            20,
            ratio_above(VOLUME - month, VOLUME + month, floor=HALF_A_SHARE),
            description="(a - b) / (a + b) of the volume (a) and its mean over 20 sessions (b); "
            "0 without volume.",
        ),
        new(
            "volume_trend_5_50",
            50,
            ratio_above(week - quarter, week + quarter, floor=HALF_A_SHARE),
            description="(a - b) / (a + b) of the mean volumes over 5 (a) and 50 sessions (b); "
            "0 without volume.",
        ),
    ]


def _range_features() -> list[Feature]:
    """Return volatilities per session from the range of each bar."""
    new = partial(_feature, "volatility")
    atr = new(
        "atr_14",
        MAX_WARMUP,
        plta.natr(HIGH, LOW, CLOSE, timeperiod=14) / 100,
        description="Average true range (Wilder 1978) divided by the close.",
        tolerance=1e-4,
    )
    parkinson = [
        new(
            f"parkinson_{span}",
            span,
            root_mean(SQUARED_RANGE, span) / math.sqrt(4 * math.log(2)),
            description=f"Volatility per session over {span} sessions (Parkinson 1980).",
            tolerance=1e-7,
        )
        for span in (1, 5, 21)
    ]
    garman_klass = [
        new(
            f"garman_klass_{span}",
            span,
            root_mean(pl.col("_garman_klass"), span),
            description=f"Volatility per session over {span} sessions (Garman and Klass 1980).",
            tolerance=1e-7,
        )
        for span in (5, 21)
    ]
    return [atr, *parkinson, *garman_klass]


def _volatility_features() -> list[Feature]:
    """Return volatilities per session from closes."""
    new = partial(_feature, "volatility")
    absolute = [
        new(
            f"abs_return_{span}",
            span + 1,
            LOG_RETURN.abs().rolling_mean(span),
            description=f"Mean absolute log return over {span} sessions.",
        )
        for span in (5, 21, 63)
    ]
    ewma = new(
        VOLATILITY,
        MEMORY + 2,
        ewma_volatility(),
        description="Volatility per session: EWMA of the last 120 squared log returns with mean 0 "
        "and decay 0.94 (RiskMetrics 1996). The unit of every forecast. Null without a move.",
    )
    return [*absolute, ewma]


def _calendar_features() -> list[Feature]:
    new = partial(_feature, "calendar")
    angle = pl.col("session").dt.weekday() * (2 * math.pi / 7)
    return [
        new("weekday_sin", 1, angle.sin(), description="Day of the week on a circle: sine."),
        new("weekday_cos", 1, angle.cos(), description="Day of the week on a circle: cosine."),
    ]


def _feature(
    group: str,
    name: str,
    warmup: int,
    expression: pl.Expr,
    *,
    description: str,
    tolerance: float = EXACT,
) -> Feature:
    return Feature(name, group, warmup, tolerance, description, _definition(), expression)


@cache
def _definition() -> str:
    """Return the digest of the modules that define built-in features."""
    modules = (expressions, log_volatility, sys.modules[__name__])
    return code_digest("\n".join(inspect.getsource(module) for module in modules))
