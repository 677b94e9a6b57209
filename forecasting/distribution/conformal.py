"""Conformal calibration, and the predictive distribution that a forecast becomes by it.

Needs NumPy only, because serving imports it. Learning weights (`forecasting.models.ensemble`) and deciding
which residuals may be used (`forecasting.evaluation.walk_forward`) do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.distribution.levels import interval_levels

Array = npt.NDArray[np.float64]

# Fewer residuals say nothing about a tail, not even with the extension below.
MIN_RESIDUALS = 30
# Independent outcomes after which a horizon's own quantiles count as much as the shortest's.
OUTCOMES_FOR_HALF = 25
# Forgives the rounding of level * (n + 1) when it should be a whole number.
_RANK_SLACK = 1e-9
_HALF = 0.5


def conformal_quantiles(residuals: npt.ArrayLike, levels: npt.ArrayLike) -> Array:
    """Return the quantiles of standardised residuals with split-conformal ranks.

    Of n exchangeable residuals a further one lies at or below the k-th smallest with probability
    of at least ``k / (n + 1)`` (Vovk et al. 2005, Algorithmic Learning in a Random World). A level
    under one half therefore takes rank ``floor(level * (n + 1))``, a level above it
    ``ceil(level * (n + 1))``, so that the interval between a level and its mirror image covers at
    least what it says.

    With few residuals the outermost ranks do not exist (the 0.5 % quantile needs 199). There the
    distance of the outermost residual from the median is extended in the proportions of a Student t
    with 4 degrees of freedom, whose tails resemble those of stock returns; the finite-sample
    promise does not hold for these levels.

    Parameters
    ----------
    residuals
        (n,) finite values of ``(outcome - mean) / scale``, in any order, all of them known before
        the first forecast that is calibrated with them.
    levels
        (Q,) ascending, strictly between 0 and 1.

    Returns
    -------
    ndarray
        (Q,) quantiles that never fall from level to level.

    Raises
    ------
    NotEnoughHistoryError
        When there are fewer than `MIN_RESIDUALS` residuals.
    ForecastError
        When a residual is not finite, or the levels are not ascending between 0 and 1.
    """
    ordered = np.sort(np.asarray(residuals, dtype=np.float64))
    asked = np.asarray(levels, dtype=np.float64)
    n = len(ordered)
    if n < MIN_RESIDUALS:
        msg = (
            f"`residuals` must hold at least {MIN_RESIDUALS} known outcomes to calibrate with, "
            f"got {n}; raise `test_size` or add tickers."
        )
        raise NotEnoughHistoryError(msg)
    if not np.isfinite(ordered).all():
        msg = "`residuals` must be finite, got NaN or infinity."
        raise ForecastError(msg)
    if not (asked[0] > 0 and asked[-1] < 1 and (np.diff(asked) > 0).all()):
        msg = f"`levels` must ascend strictly between 0 and 1, got {asked}."
        raise ForecastError(msg)
    rank = asked * (n + 1)
    below, above = np.floor(rank + _RANK_SLACK), np.ceil(rank - _RANK_SLACK)
    # At the median itself both ranks count, so that no side is preferred.
    low = np.where(asked > _HALF, above, below)
    high = np.where(asked < _HALF, below, above)
    index = np.clip(np.stack([low, high]).astype(np.int64), 1, n) - 1
    quantiles = ordered[index].mean(axis=0)
    return _extend_tails(quantiles, asked, ordered)


def calibrate(
    residuals: Mapping[int, Array], sessions: Mapping[int, int], levels: npt.ArrayLike
) -> dict[int, Array]:
    """Return the quantiles of Z for every horizon from standardised residuals.

    Each horizon's residuals are first taken around their median: calibration says how wide and how
    skewed the distribution is, while where it lies is decided by the ensemble's weights. At the
    shortest horizon the quantiles are then `conformal_quantiles`. A year has only a dozen
    independent outcomes over 21 sessions, too few for a tail; so at a longer horizon the quantiles
    are a weighted mean of its own and the shortest horizon's, with weight
    ``n / (n + OUTCOMES_FOR_HALF)`` on its own, n being its outcomes that do not overlap.

    Parameters
    ----------
    residuals
        Horizon -> (n,) values of ``(outcome - mean) / scale``, as for `conformal_quantiles`.
    sessions
        Horizon -> number of as-of sessions that its residuals come from.
    levels
        (Q,) ascending, strictly between 0 and 1.

    Returns
    -------
    dict
        Horizon -> (Q,) quantiles that never fall from level to level.
    """
    centred = {h: values - np.median(values) for h, values in residuals.items()}
    own = {h: conformal_quantiles(values, levels) for h, values in centred.items()}
    shortest = min(own)
    quantiles = {}
    for horizon, values in own.items():
        outcomes = sessions[horizon] / horizon
        trust = outcomes / (outcomes + OUTCOMES_FOR_HALF) if horizon > shortest else 1.0
        quantiles[horizon] = trust * values + (1 - trust) * own[shortest]
    return quantiles


def _extend_tails(quantiles: Array, levels: Array, ordered: Array) -> Array:
    """Replace the quantiles whose rank lies outside the sample, see `conformal_quantiles`."""
    n = len(ordered)
    median = float(np.median(ordered))
    outer = 1 / (n + 1)
    stretch = np.abs(_student_t4(levels)) / abs(float(_student_t4(np.array(outer))))
    extended = np.where(
        levels < outer - _RANK_SLACK, median + (ordered[0] - median) * stretch, quantiles
    )
    return np.where(
        levels > 1 - outer + _RANK_SLACK, median + (ordered[-1] - median) * stretch, extended
    )


def _student_t4(levels: Array) -> Array:
    """Return quantiles of Student's t with 4 degrees of freedom (Shaw 2006, closed form)."""
    root = np.sqrt(4 * levels * (1 - levels))
    return np.sign(levels - _HALF) * 2 * np.sqrt(np.cos(np.arccos(root) / 3) / root - 1)


@dataclass(frozen=True, eq=False)
class PredictiveDistribution:
    """The forecast distribution of one log return: ``mean + scale * Z``, Z given by quantiles.

    Between two levels the quantile function is linear. Outside the outermost levels nothing is
    claimed: `quantile` raises, and probabilities are bounded by these levels.

    Attributes
    ----------
    mean, scale
        Location and scale in units of the log return; the scale is positive.
    levels, z_quantiles
        (Q,) ascending levels, and the quantile of Z at each.
    """

    mean: float
    scale: float
    levels: Array
    z_quantiles: Array

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.scale) and self.scale > 0):
            msg = (
                "`mean` must be finite and `scale` finite and positive, "
                f"got mean {self.mean} and scale {self.scale}."
            )
            raise ForecastError(msg)

    @overload
    def quantile(self, p: float) -> float: ...
    @overload
    def quantile(self, p: Array) -> Array: ...
    def quantile(self, p: float | Array) -> float | Array:
        """Return the log return that is not exceeded with probability `p`.

        Raises
        ------
        ForecastError
            When `p` lies outside the levels that were calibrated.
        """
        asked = np.asarray(p, dtype=np.float64)
        if ((asked < self.levels[0] - 1e-12) | (asked > self.levels[-1] + 1e-12)).any():
            msg = (
                f"`p` must lie between {self.levels[0]:g} and {self.levels[-1]:g}, "
                f"the levels that were calibrated, got {p}."
            )
            raise ForecastError(msg)
        value = np.interp(asked, self.levels, self._quantiles)
        return float(value) if value.ndim == 0 else value

    def interval(self, coverage: float) -> tuple[float, float]:
        """Return the central interval that holds the log return with probability `coverage`."""
        low, high = interval_levels(coverage)
        return self.quantile(low), self.quantile(high)

    def cdf(self, log_return: float) -> float:
        """Return the probability of a log return at or below `log_return`."""
        return float(np.interp(log_return, self._quantiles, self.levels))

    def probability_up(self) -> float:
        """Return the probability that the price rises."""
        return 1.0 - self.cdf(0.0)

    def median(self) -> float:
        """Return the log return that is exceeded as often as not."""
        return self.quantile(_HALF)

    def expected(self) -> float:
        """Return the mean of the distribution, from its calibrated levels.

        It differs from `mean` by what calibration found to be the residuals' own mean.
        """
        return self.mean + self.scale * float(np.mean(self.z_quantiles))

    @cached_property
    def _quantiles(self) -> Array:
        return self.mean + self.scale * self.z_quantiles


def quantile_surface(mean: Array, scale: Array, z_quantiles: Array) -> Array:
    """Return ``mean + scale * z_quantiles`` for many forecasts: (n,), (n,), (Q,) -> (n, Q)."""
    return mean[:, None] + scale[:, None] * z_quantiles[None, :]
