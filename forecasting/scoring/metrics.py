"""Scores of forecasts, computed on arrays.

Inputs must not contain missing values: callers score only rows with known outcomes. The functions
are independent of models and frames; `forecasting.evaluation.scorecard` groups and tabulates.

References
----------
.. [1] Laio, F. and Tamea, S. (2007). Verification tools for probabilistic forecasts of continuous
       hydrological variables. Hydrology and Earth System Sciences 11, 1267-1277.
.. [2] Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
       estimation. Journal of the American Statistical Association 102, 359-378.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def pinball(outcome: Array, quantiles: Array, levels: Array) -> Array:
    """Return the pinball loss of each quantile: (n,), (n, Q), (Q,) -> (n, Q).

    Examples
    --------
    >>> pinball(np.array([3.0]), np.array([[1.0, 5.0]]), np.array([0.1, 0.9])).round(2).tolist()
    [[0.2, 0.2]]
    """
    below = outcome[:, None] - quantiles
    return np.maximum(levels * below, (levels - 1) * below)


def crps_from_quantiles(outcome: Array, quantiles: Array, levels: Array) -> Array:
    """Return the continuous ranked probability score of each forecast.

    The score is twice the mean pinball loss over equally spaced levels (eq. 6-8 of [1]_). Lower is
    better.

    Parameters
    ----------
    outcome
        (n,) outcomes.
    quantiles
        (n, Q) quantiles of the forecasts, in units of the outcome.
    levels
        (Q,) equally spaced levels between 0 and 1.

    Returns
    -------
    ndarray
        (n,) scores in units of the outcome.

    Examples
    --------
    >>> levels = np.array([0.25, 0.5, 0.75])
    >>> quantiles = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
    >>> crps_from_quantiles(np.array([0.0, 2.0]), quantiles, levels).round(3).tolist()
    [0.333, 1.667]
    """
    score: Array = 2 * pinball(outcome, quantiles, levels).mean(axis=1)
    return score


def interval_score(outcome: Array, low: Array, high: Array, coverage: float) -> Array:
    """Return the interval score of each forecast (eq. 43 of [2]_).

    The score is the width of the interval, plus ``2 / (1 - coverage)`` times the distance of the
    outcome from the interval. Lower is better. All arrays are (n,) in the same unit.

    Examples
    --------
    >>> outcome, low, high = np.array([0.0, 3.0]), np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    >>> interval_score(outcome, low, high, coverage=0.8).round(2).tolist()
    [2.0, 22.0]
    """
    outside = np.maximum(low - outcome, 0) + np.maximum(outcome - high, 0)
    score: Array = (high - low) + 2 / (1 - coverage) * outside
    return score


def coverage(outcome: Array, low: Array, high: Array) -> float:
    """Return the share of outcomes inside their intervals, bounds included.

    Examples
    --------
    >>> coverage(np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4), np.ones(4))
    0.5
    """
    return float(np.mean((low <= outcome) & (outcome <= high)))


def mae(outcome: Array, point: Array) -> float:
    """Return the mean absolute error of a point forecast.

    Examples
    --------
    >>> mae(np.array([1.0, -1.0]), np.array([0.0, 2.0]))
    2.0
    """
    return float(np.mean(np.abs(outcome - point)))


def rmse(outcome: Array, point: Array) -> float:
    """Return the root mean squared error of a point forecast.

    Examples
    --------
    >>> rmse(np.array([1.0, -1.0]), np.array([0.0, 6.0]))
    5.0
    """
    return float(np.sqrt(np.mean((outcome - point) ** 2)))


def skill(score: float, reference: float) -> float | None:
    """Return ``1 - score / reference``, or None when the score of the reference is zero.

    Examples
    --------
    >>> skill(0.75, reference=1.0)
    0.25
    """
    return 1 - score / reference if reference > 0 else None
