"""Long-run variance of a series over sessions, robust to overlapping targets.

References
----------
.. [1] Newey, W. K. and West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity
       and autocorrelation consistent covariance matrix. Econometrica 55, 703-708.
.. [2] Newey, W. K. and West, K. D. (1994). Automatic lag selection in covariance matrix
       estimation. Review of Economic Studies 61, 631-653.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def standard_error(values: Array, sessions: npt.ArrayLike, horizon: int) -> float | None:
    """Return the standard error of the mean of `values`, robust to autocorrelation.

    Returns None when the lag of the horizon needs more sessions.

    Examples
    --------
    >>> standard_error(np.arange(100.0) % 2, np.arange(100), horizon=1) < 0.05
    True
    >>> standard_error(np.ones(3), np.arange(3), horizon=21) is None
    True
    """
    mean = session_means(values, sessions)
    lag = newey_west_lag(len(mean), horizon)
    return math.sqrt(long_run_variance(mean, lag) / len(mean)) if len(mean) > lag + 1 else None


def session_means(values: Array, sessions: npt.ArrayLike) -> Array:
    """Return the mean of `values` over the tickers of each session, in session order.

    Examples
    --------
    >>> session_means(np.array([1.0, 2.0, 4.0]), sessions=[7, 8, 8]).tolist()
    [1.0, 3.0]
    """
    _, place = np.unique(np.asarray(sessions), return_inverse=True)
    means: Array = np.bincount(place, weights=values) / np.bincount(place)
    return means


def newey_west_lag(n: int, horizon: int) -> int:
    """Return ``horizon - 1``, the overlap of targets, plus the rule of thumb of [2]_.

    Examples
    --------
    >>> newey_west_lag(250, horizon=1), newey_west_lag(250, horizon=21)
    (4, 24)
    """
    return horizon - 1 + int(4 * (n / 100) ** (2 / 9))


def long_run_variance(series: Array, lag: int) -> float:
    """Return the heteroskedasticity- and autocorrelation-consistent variance [1]_.

    Bartlett weights keep the variance positive.

    Examples
    --------
    >>> long_run_variance(np.array([1.0, -1.0, 1.0, -1.0]), lag=0)
    1.0
    >>> long_run_variance(np.array([1.0, -1.0, 1.0, -1.0]), lag=1)
    0.25
    """
    centred = series - series.mean()
    n = len(centred)
    variance = float(centred @ centred) / n
    for k in range(1, min(lag, n - 1) + 1):
        variance += 2 * (1 - k / (lag + 1)) * float(centred[k:] @ centred[:-k]) / n
    return variance
