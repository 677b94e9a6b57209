"""Features of the linear members: volatilities and returns in units of the EWMA volatility.

They follow the heterogeneous autoregressive model of volatility (Corsi 2009), with ranges and
leverage. Like `forecasting.features.built_in`, the code of this module enters the version hash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from forecasting.features.expressions import CLOSE, LOG_RETURN, MEMORY
from forecasting.features.spec import Feature

VOLATILITY = pl.col("_volatility")
VARIANCE = pl.col("_variance")
FALL = pl.min_horizontal(LOG_RETURN, pl.lit(0.0))
# Shares of the EWMA volatility that keep logarithms finite. A single session varies more.
SMALL, SMALL_SESSION = 0.02, 0.05
# Larger moves, in units of the volatility, say no more about the next sessions.
MAX_SHOCK = 4.0
WARMUP = MEMORY + 2
ROUNDING = 1e-6


def log_volatility_features(make: Callable[..., Feature]) -> list[Feature]:
    """Return the features; `make` creates one of group, name, warm-up and expression.

    All are null where the EWMA volatility is, because the price did not move.

    Examples
    --------
    >>> from forecasting.features.built_in import built_in_features
    >>> [f.name for f in built_in_features() if f.group == "log_volatility"][:2]
    ['log_ewma_volatility', 'scaled_realised_1']
    """
    new = partial(make, "log_volatility")

    def scaled(name: str, expression: pl.Expr, *, description: str) -> Feature:
        return new(
            f"scaled_{name}",
            WARMUP,
            expression,
            description=f"{description}, in units of the EWMA volatility.",
            tolerance=ROUNDING,
        )

    level = new(
        "log_ewma_volatility",
        WARMUP,
        VOLATILITY.log(),
        description="Log of the EWMA volatility per session.",
        tolerance=ROUNDING,
    )
    return [level, *_realised(scaled), *_moves(scaled)]


def _realised(scaled: Callable[..., Feature]) -> list[Feature]:
    """Return log volatilities of past sessions."""
    ranges = [
        scaled(
            f"realised_{span}",
            _log_ratio(VARIANCE, span, SMALL_SESSION if span == 1 else SMALL),
            description=f"Log volatility of {span} sessions from gaps and ranges (Garman and Klass "
            "1980)",
        )
        for span in (1, 2, 5, 10, 21, 63)
    ]
    absolute = [
        scaled(
            f"abs_return_{span}",
            (LOG_RETURN.abs().rolling_mean(span) / VOLATILITY + SMALL).log(),
            description=f"Log of the mean absolute log return over {span} sessions",
        )
        for span in (5, 21, 63)
    ]
    gaps = scaled(
        "gap_21",
        _log_ratio(pl.col("_gap") ** 2, 21, SMALL),
        description="Log volatility of the gaps of 21 sessions",
    )
    return [*ranges, *absolute, gaps]


def _moves(scaled: Callable[..., Feature]) -> list[Feature]:
    """Return signed moves: volatility rises more after falls than after rises."""
    shock = LOG_RETURN / VOLATILITY
    week = LOG_RETURN.rolling_mean(5) * 5**0.5 / VOLATILITY
    last = [
        scaled("shock", shock.clip(-MAX_SHOCK, MAX_SHOCK), description="Log return of the session"),
        scaled(
            "shock_down",
            shock.clip(-MAX_SHOCK, 0),
            description="Log return of the session if negative, else 0",
        ),
        scaled(
            "week_down",
            week.clip(-MAX_SHOCK, 0),
            description="Log return of 5 sessions if negative, else 0",
        ),
    ]
    returns = [
        scaled(
            f"return_{span}",
            LOG_RETURN.rolling_mean(span) * span**0.5 / VOLATILITY,
            description=f"Log return of {span} sessions over the root of their number",
        )
        for span in (5, 21, 63)
    ]
    falls = [
        scaled(
            f"fall_{span}",
            _log_ratio(FALL**2, span, SMALL),
            description=f"Log volatility of the falls of {span} sessions",
        )
        for span in (5, 21)
    ]
    drawdown = scaled(
        "drawdown_63",
        (CLOSE / CLOSE.rolling_max(63)).log() / VOLATILITY,
        description="Log of the close divided by the highest close of 63 sessions",
    )
    return [*last, *returns, *falls, drawdown]


def _log_ratio(squared: pl.Expr, span: int, small: float) -> pl.Expr:
    """Return the log of the root mean of `squared` in units of the EWMA volatility."""
    ratio = squared.rolling_mean(span).clip(lower_bound=0.0) / VOLATILITY**2
    return 0.5 * (ratio + small).log()
