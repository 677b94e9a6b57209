"""The predictive distribution of a log return, given by location, scale and quantiles.

Needs only NumPy, because serving imports the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError
from forecasting.distribution.levels import interval_levels

Array = npt.NDArray[np.float64]

_LEVEL_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class PredictiveDistribution:
    """Forecast distribution of one log return: ``mean + scale * Z`` with the quantiles of Z.

    The quantile function is linear between two levels. The distribution is not defined outside the
    outermost levels: `quantile` raises, and probabilities are bounded by these levels.

    Attributes
    ----------
    mean, scale
        Location and positive scale, in units of the log return.
    levels, z_quantiles
        (Q,) ascending levels, and the quantile of Z at each level.

    Examples
    --------
    >>> levels = np.array([0.1, 0.5, 0.9])
    >>> distribution = PredictiveDistribution(0.0, 0.02, levels, np.array([-1.5, 0.25, 1.0]))
    >>> distribution.quantile(0.5), distribution.interval(0.8)
    (0.005, (-0.03, 0.02))
    >>> round(distribution.probability_up(), 3)
    0.557
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
            When `p` is outside the calibrated levels.
        """
        wanted = np.asarray(p, dtype=np.float64)
        lowest, highest = self.levels[0] - _LEVEL_TOLERANCE, self.levels[-1] + _LEVEL_TOLERANCE
        if ((wanted < lowest) | (wanted > highest)).any():
            msg = (
                f"`p` must lie between the calibrated levels {self.levels[0]:g} and "
                f"{self.levels[-1]:g}, got {p}."
            )
            raise ForecastError(msg)
        value = np.interp(wanted, self.levels, self._quantiles)
        return float(value) if value.ndim == 0 else value

    def interval(self, coverage: float) -> tuple[float, float]:
        """Return the central interval that contains the log return with probability `coverage`."""
        low, high = interval_levels(coverage)
        return self.quantile(low), self.quantile(high)

    def cdf(self, log_return: float) -> float:
        """Return the probability of a log return of at most `log_return`."""
        return float(np.interp(log_return, self._quantiles, self.levels))

    def probability_up(self) -> float:
        """Return the probability that the price rises."""
        return 1.0 - self.cdf(0.0)

    def median(self) -> float:
        """Return the median log return."""
        return self.quantile(0.5)

    def expected(self) -> float:
        """Return the mean of the distribution over its calibrated levels.

        It differs from `mean` by the mean of the calibrated residuals.
        """
        return self.mean + self.scale * float(np.mean(self.z_quantiles))

    @cached_property
    def _quantiles(self) -> Array:
        return self.mean + self.scale * self.z_quantiles


def cdf_of_surface(value: Array, quantiles: Array, levels: Array) -> Array:
    """Return the probability of at most `value` for n forecasts: (n,), (n, Q), (Q,) -> (n,).

    It is linear between two levels and bounded by the outermost levels.

    Examples
    --------
    >>> quantiles = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
    >>> cdf_of_surface(np.array([0.5, 9.0]), quantiles, np.array([0.1, 0.5, 0.9])).tolist()
    [0.7, 0.9]
    """
    above = np.clip((quantiles <= value[:, None]).sum(axis=1), 1, len(levels) - 1)
    rows = np.arange(len(value))
    low, high = quantiles[rows, above - 1], quantiles[rows, above]
    width = np.where(high > low, high - low, 1.0)
    share = np.clip((value - low) / width, 0.0, 1.0)
    probability: Array = levels[above - 1] + share * (levels[above] - levels[above - 1])
    return probability


def quantile_surface(mean: Array, scale: Array, z_quantiles: Array) -> Array:
    """Return the quantiles ``mean + scale * z_quantiles`` of n forecasts.

    Parameters
    ----------
    mean, scale
        (n,) locations and scales, in units of the log return.
    z_quantiles
        (Q,) quantiles of Z.

    Returns
    -------
    ndarray
        (n, Q) quantiles of the log returns.

    Examples
    --------
    >>> quantile_surface(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([-1.0, 1.0])).tolist()
    [[-1.0, 1.0], [-1.0, 3.0]]
    """
    return mean[:, None] + scale[:, None] * z_quantiles[None, :]
