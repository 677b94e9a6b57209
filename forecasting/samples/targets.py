"""Targets of the models: log returns and realised variances over the coming sessions.

References
----------
.. [1] Garman, M. B. and Klass, M. J. (1980). On the estimation of security price volatilities from
       historical data. Journal of Business 53, 67-78.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from forecasting.horizons import HORIZONS


def compute_targets(adjusted: pl.DataFrame, horizons: Sequence[int] = HORIZONS) -> pl.DataFrame:
    """Return log return and realised variance over each horizon, and the session of its end.

    Parameters
    ----------
    adjusted
        Adjusted bars sorted by ticker and session: ``ticker session open high low close``.
    horizons
        Numbers of sessions ahead, counted in the bars of the ticker.

    Returns
    -------
    polars.DataFrame
        Key ``(ticker, session)``. For each horizon h, ``log_return_{h}`` is the log of the close h
        bars later divided by this close, ``realised_variance_{h}`` is the mean
        `session_variance` of these h bars, and ``target_session_{h}`` is the session of the last of
        them. All are null in the last h rows of a ticker. No target is known at its `session`.

    Examples
    --------
    >>> from datetime import date
    >>> bars = pl.DataFrame(
    ...     {
    ...         "ticker": ["ABC"] * 3,
    ...         "session": [date(2024, 1, day) for day in (4, 5, 8)],
    ...         **{name: [100.0, 110.0, 99.0] for name in ("open", "high", "low", "close")},
    ...     }
    ... )
    >>> targets = compute_targets(bars, horizons=[1])
    >>> targets["log_return_1"].round(4).to_list()
    [0.0953, -0.1054, None]
    >>> targets["realised_variance_1"].round(4).to_list()
    [0.0091, 0.0111, None]
    >>> [str(session) for session in targets["target_session_1"]]
    ['2024-01-05', '2024-01-08', 'None']
    """
    close, session = pl.col("close"), pl.col("session")
    variance = session_variance()
    columns: list[pl.Expr] = []
    for horizon in horizons:
        later = close.shift(-horizon).over("ticker")
        columns.append((later / close).log().alias(f"log_return_{horizon}"))
        mean = variance.rolling_mean(horizon).shift(-horizon).over("ticker")
        columns.append(mean.alias(f"realised_variance_{horizon}"))
        target_session = session.shift(-horizon).over("ticker")
        columns.append(target_session.alias(f"target_session_{horizon}"))
    return adjusted.select("ticker", "session", *columns)


def session_variance() -> pl.Expr:
    """Return the variance of a session: squared overnight gap plus Garman-Klass variance [1]_.

    Bars without a range, with open, high and low equal to the close, have the squared log return.

    Examples
    --------
    >>> bars = pl.DataFrame(
    ...     {"open": [10.0, 11.0], "high": [10.0, 12.0], "low": [10.0, 11.0], "close": [10.0, 11.0]}
    ... )
    >>> bars.select(session_variance()).to_series().round(4).to_list()
    [None, 0.0129]
    """
    gap = (pl.col("open") / pl.col("close").shift(1)).log()
    high_low = (pl.col("high") / pl.col("low")).log()
    open_close = (pl.col("close") / pl.col("open")).log()
    garman_klass = 0.5 * high_low**2 - (2 * math.log(2) - 1) * open_close**2
    return gap**2 + garman_klass.clip(lower_bound=0.0)
