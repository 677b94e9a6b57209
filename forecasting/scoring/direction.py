"""Accuracy of the forecast direction, with its uncertainty.

References
----------
.. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
       Journal of the American Statistical Association 22, 209-212.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


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
    """Return the score interval of a binomial proportion [1]_.

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
