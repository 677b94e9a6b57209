"""Scores of forecasts, on arrays: accuracy, calibration, sharpness and skill.

No frames and no models here (`forecasting.evaluation.scorecard` groups and tabulates); testing whether two
scores differ is `forecasting.scoring.diebold_mariano`'s. Missing values are not expected: callers score only
rows whose outcome is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def pinball(outcome: Array, quantiles: Array, levels: Array) -> Array:
    """Return the pinball loss of each quantile: (n,), (n, Q), (Q,) -> (n, Q)."""
    below = outcome[:, None] - quantiles
    return np.maximum(levels * below, (levels - 1) * below)


def crps_from_quantiles(outcome: Array, quantiles: Array, levels: Array) -> Array:
    """Return the continuous ranked probability score of each forecast, (n,).

    Twice the mean pinball loss over equally spaced levels (Laio & Tamea 2007, eq. 6-8), in the
    units of the outcome; lower is better.
    """
    score: Array = 2 * pinball(outcome, quantiles, levels).mean(axis=1)
    return score


def interval_score(outcome: Array, low: Array, high: Array, coverage: float) -> Array:
    """Return the interval score of each forecast, (n,) (Gneiting & Raftery 2007, eq. 43).

    Width plus ``2 / (1 - coverage)`` times the distance by which the outcome lies outside.
    """
    outside = np.maximum(low - outcome, 0) + np.maximum(outcome - high, 0)
    score: Array = (high - low) + 2 / (1 - coverage) * outside
    return score


def coverage(outcome: Array, low: Array, high: Array) -> float:
    """Return the share of outcomes inside their intervals, bounds included."""
    return float(np.mean((low <= outcome) & (outcome <= high)))


def mae(outcome: Array, point: Array) -> float:
    """Return the mean absolute error of a point forecast."""
    return float(np.mean(np.abs(outcome - point)))


def rmse(outcome: Array, point: Array) -> float:
    """Return the root mean squared error of a point forecast."""
    return float(np.sqrt(np.mean((outcome - point) ** 2)))


def skill(score: float, reference: float) -> float | None:
    """Return ``1 - score / reference``; None when the reference is zero."""
    return 1 - score / reference if reference > 0 else None


@dataclass(frozen=True)
class DirectionAccuracy:
    """How often the sign was right, and what it has to be held against.

    Attributes
    ----------
    accuracy
        Share of calls that were right; None without any call.
    low, high
        95 % Wilson interval of the accuracy, as if calls were independent. Targets over several
        sessions overlap, so beyond one session the true interval is wider.
    base_rate
        Share of the commoner outcome among the same rows: what always calling it would have hit.
    calls
        Rows with a call: the forecast leans to a side and the price moved.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    base_rate: float | None
    calls: int


def direction_accuracy(outcome: Array, lean: Array) -> DirectionAccuracy:
    """Score the sign of `lean` against the sign of the outcome.

    Parameters
    ----------
    outcome, lean
        (n,) log returns, and the forecast medians. Zero is no call, respectively no direction;
        such rows are left out.
    """
    called = (lean != 0) & (outcome != 0)
    calls = int(called.sum())
    if calls == 0:
        return DirectionAccuracy(None, None, None, None, 0)
    rose = outcome[called] > 0
    hits = int((rose == (lean[called] > 0)).sum())
    ups = int(rose.sum())
    low, high = wilson_interval(hits, calls)
    return DirectionAccuracy(hits / calls, low, high, max(ups, calls - ups) / calls, calls)


def wilson_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a binomial proportion (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    half = z * spread / (1 + z**2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
