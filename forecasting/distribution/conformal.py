"""Conformal calibration of standardised residuals.

Needs only NumPy, because serving imports the package. `forecasting.evaluation.combination` selects
the residuals that are known at the time of a forecast.

References
----------
.. [1] Vovk, V., Gammerman, A. and Shafer, G. (2005). Algorithmic Learning in a Random World.
       Springer.
.. [2] Shaw, W. T. (2006). Sampling Student's T distribution - use of the inverse cumulative
       distribution function. Journal of Computational Finance 9, 37-73.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError, NotEnoughHistoryError

Array = npt.NDArray[np.float64]

# Fewer residuals do not determine a tail, not even with the extension of `conformal_quantiles`.
MIN_RESIDUALS = 30
# Number of non-overlapping outcomes at which the quantiles of a horizon have weight one half.
OUTCOMES_FOR_HALF = 25
# Weight of the residuals; the remainder belongs to their mirror image.
SKEWNESS_KEPT = 0.75
# Tolerance for the rounding of level * (n + 1) to a whole number.
_RANK_TOLERANCE = 1e-9
_HALF = 0.5


def conformal_quantiles(residuals: npt.ArrayLike, levels: npt.ArrayLike) -> Array:
    """Return the quantiles of standardised residuals with split-conformal ranks.

    Of n exchangeable residuals, a new one is at most the k-th smallest with probability of at
    least ``k / (n + 1)`` [1]_. A level below one half therefore has rank
    ``floor(level * (n + 1))``, and a level above one half has rank ``ceil(level * (n + 1))``, so
    the central interval between two levels has at least its nominal coverage.

    With few residuals the outermost ranks do not exist; the 0.5 % quantile needs 199 residuals.
    There, the distance of the outermost residual from the median is extended in the proportions of
    a Student t with 4 degrees of freedom, which has tails like those of stock returns. The
    guarantee of coverage does not hold for extended levels.

    Parameters
    ----------
    residuals
        (n,) finite values of ``(outcome - mean) / scale``, in any order. All outcomes must be
        known before the first forecast that is calibrated.
    levels
        (Q,) ascending, strictly between 0 and 1.

    Returns
    -------
    ndarray
        (Q,) quantiles, not decreasing.

    Raises
    ------
    NotEnoughHistoryError
        When there are fewer than `MIN_RESIDUALS` residuals.
    ForecastError
        When a residual is not finite, or when the levels are not ascending between 0 and 1.

    Examples
    --------
    >>> residuals = np.arange(1.0, 100.0)
    >>> conformal_quantiles(residuals, [0.025, 0.5, 0.975]).tolist()
    [2.0, 50.0, 98.0]
    """
    ordered = np.sort(np.asarray(residuals, dtype=np.float64))
    wanted = np.asarray(levels, dtype=np.float64)
    _check_inputs(ordered, wanted)
    n = len(ordered)
    rank = wanted * (n + 1)
    below, above = np.floor(rank + _RANK_TOLERANCE), np.ceil(rank - _RANK_TOLERANCE)
    # The median is the mean of both ranks, so that it does not favour a side.
    low = np.where(wanted > _HALF, above, below)
    high = np.where(wanted < _HALF, below, above)
    index = np.clip(np.stack([low, high]).astype(np.int64), 1, n) - 1
    quantiles = ordered[index].mean(axis=0)
    return _extend_tails(quantiles, wanted, ordered)


def calibrate(
    residuals: Mapping[int, Array], sessions: Mapping[int, int], levels: npt.ArrayLike
) -> dict[int, Array]:
    """Return the quantiles of Z for every horizon from standardised residuals.

    Calibration determines the width and the skewness of the distribution, never its location: the
    quantiles have mean 0, because a mean learnt from few years is noise. Half of the skewness is
    removed, for the same reason: the quantiles are a weighted mean of `conformal_quantiles` (weight
    `SKEWNESS_KEPT`) and of their mirror image. One year contains only twelve
    non-overlapping outcomes over 21 sessions, too few for a tail. The quantiles of a longer horizon
    are therefore a weighted mean of its own quantiles and those of the shortest horizon. The weight
    of its own is ``n / (n + OUTCOMES_FOR_HALF)`` with n non-overlapping outcomes.

    Parameters
    ----------
    residuals
        Horizon -> (n,) values of ``(outcome - mean) / scale``, as for `conformal_quantiles`.
    sessions
        Horizon -> number of as-of sessions of its residuals.
    levels
        (Q,) ascending, strictly between 0 and 1, symmetric around one half.

    Returns
    -------
    dict
        Horizon -> (Q,) quantiles, not decreasing.

    Examples
    --------
    >>> residuals = {1: np.arange(1.0, 100.0), 5: np.arange(2.0, 200.0, 2.0)}
    >>> quantiles = calibrate(residuals, sessions={1: 125, 5: 125}, levels=[0.1, 0.5, 0.9])
    >>> {horizon: values.tolist() for horizon, values in quantiles.items()}
    {1: [-40.0, 0.0, 40.0], 5: [-60.0, 0.0, 60.0]}
    """
    own = {
        h: _with_mean_zero(conformal_quantiles(values, levels)) for h, values in residuals.items()
    }
    shortest = min(own)
    quantiles = {}
    for horizon, values in own.items():
        outcomes = sessions[horizon] / horizon
        weight = outcomes / (outcomes + OUTCOMES_FOR_HALF) if horizon > shortest else 1.0
        quantiles[horizon] = weight * values + (1 - weight) * own[shortest]
    return quantiles


def _with_mean_zero(quantiles: Array) -> Array:
    """Remove half of the skewness, and the mean."""
    mixed = SKEWNESS_KEPT * quantiles - (1 - SKEWNESS_KEPT) * quantiles[::-1]
    centred: Array = mixed - mixed.mean()
    return centred


def _check_inputs(residuals: Array, levels: Array) -> None:
    if len(residuals) < MIN_RESIDUALS:
        msg = (
            f"`residuals` must contain at least {MIN_RESIDUALS} outcomes for calibration, "
            f"got {len(residuals)}; raise `test_size` or add tickers."
        )
        raise NotEnoughHistoryError(msg)
    if not np.isfinite(residuals).all():
        msg = "`residuals` must be finite, got NaN or infinity."
        raise ForecastError(msg)
    if not (levels[0] > 0 and levels[-1] < 1 and (np.diff(levels) > 0).all()):
        msg = f"`levels` must ascend strictly between 0 and 1, got {levels}."
        raise ForecastError(msg)


def _extend_tails(quantiles: Array, levels: Array, ordered: Array) -> Array:
    """Replace quantiles with a rank outside the sample, see `conformal_quantiles`."""
    n = len(ordered)
    median = float(np.median(ordered))
    outer = 1 / (n + 1)
    stretch = np.abs(_student_t4(levels)) / abs(float(_student_t4(np.array(outer))))
    extended = np.where(
        levels < outer - _RANK_TOLERANCE, median + (ordered[0] - median) * stretch, quantiles
    )
    return np.where(
        levels > 1 - outer + _RANK_TOLERANCE, median + (ordered[-1] - median) * stretch, extended
    )


def _student_t4(levels: Array) -> Array:
    """Return quantiles of Student's t with 4 degrees of freedom in closed form [2]_."""
    root = np.sqrt(4 * levels * (1 - levels))
    return np.sign(levels - _HALF) * 2 * np.sqrt(np.cos(np.arccos(root) / 3) / root - 1)
