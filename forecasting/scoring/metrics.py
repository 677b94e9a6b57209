"""Scores of forecasts, computed on arrays.

Inputs must not contain missing values: callers score only rows with known outcomes. The functions
are independent of models and frames; `forecasting.evaluation.scorecard` groups and tabulates.

References
----------
.. [1] Laio, F. and Tamea, S. (2007). Verification tools for probabilistic forecasts of continuous
       hydrological variables. Hydrology and Earth System Sciences 11, 1267-1277.
.. [2] Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
       estimation. Journal of the American Statistical Association 102, 359-378.
.. [3] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
       Journal of the American Statistical Association 22, 209-212.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

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


@dataclass(frozen=True)
class DirectionAccuracy:
    """Share of correctly forecast signs, with its uncertainty and the base rate.

    Attributes
    ----------
    accuracy
        Share of calls with the right sign; None without any call.
    low, high
        95 % Wilson interval of the accuracy for independent calls. Targets over several sessions
        overlap, so the true interval is wider for horizons beyond one session.
    base_rate
        Share of the more frequent sign of the outcomes: the accuracy of always calling that sign.
    calls
        Number of rows with a nonzero forecast median and a nonzero outcome.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    base_rate: float | None
    calls: int


def direction_accuracy(outcome: Array, median: Array) -> DirectionAccuracy:
    """Compare the signs of forecast medians with the signs of the outcomes.

    Parameters
    ----------
    outcome, median
        (n,) log returns and forecast medians. Rows where either is zero are left out.

    Examples
    --------
    >>> outcome = np.array([0.02, -0.01, 0.03, 0.01])
    >>> scores = direction_accuracy(outcome, median=np.array([0.001, 0.001, 0.001, 0.0]))
    >>> scores.calls, round(scores.accuracy, 3), round(scores.base_rate, 3)
    (3, 0.667, 0.667)
    """
    is_call = (median != 0) & (outcome != 0)
    calls = int(is_call.sum())
    if calls == 0:
        return DirectionAccuracy(None, None, None, None, 0)
    rose = outcome[is_call] > 0
    hits = int((rose == (median[is_call] > 0)).sum())
    rises = int(rose.sum())
    low, high = wilson_interval(hits, calls)
    return DirectionAccuracy(hits / calls, low, high, max(rises, calls - rises) / calls, calls)


def wilson_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a binomial proportion [3]_.

    Examples
    --------
    >>> low, high = wilson_interval(hits=55, trials=100)
    >>> round(low, 3), round(high, 3)
    (0.452, 0.644)
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    half_width = z * spread / (1 + z**2 / trials)
    return max(0.0, centre - half_width), min(1.0, centre + half_width)
