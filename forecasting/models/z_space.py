"""Scales in units of volatility, in which the members are fitted.

The fused graph of `forecasting.export.fusion` repeats the arithmetic in ONNX. Change both together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import ForecastError
from forecasting.models.base import Array, Rows
from forecasting.samples.panel import Panel

# Added to the variance ratio, so that a session without a move has a finite log scale.
VARIANCE_FLOOR = 0.0025
# Bounds of a log scale, a factor of twenty around the EWMA volatility.
MIN_LOG_SCALE, MAX_LOG_SCALE = -3.0, 3.0


def horizon_volatility(volatility: Array, horizons: Sequence[int]) -> Array:
    """Return the unit of a scale, ``s_h = volatility * sqrt(h)``: (n,) -> (n, H)."""
    return volatility[:, None] * np.sqrt(np.asarray(horizons, dtype=np.float64))[None, :]


def fitting_targets(panel: Panel, rows: Rows) -> Array:
    """Return the targets of the members, the log of the realised volatility in units of the EWMA.

    A target is ``0.5 * log(realised_variance / volatility**2 + VARIANCE_FLOOR)``. The daily ranges
    of 21 sessions say more about their volatility than one log return over 21 sessions.

    Returns
    -------
    ndarray
        (n, H) targets of samples `rows`, without a unit.

    Raises
    ------
    ForecastError
        When a target is unknown, or when the volatility of a sample is not positive.
    """
    variance = panel.volatility[rows, None] ** 2
    ratio = panel.realised_variance[rows] / np.where(variance > 0, variance, np.nan)
    targets: Array = 0.5 * np.log(ratio + VARIANCE_FLOOR)
    if not np.isfinite(targets).all():
        msg = (
            "`rows` must select samples with known targets and positive volatility, got "
            f"{int((~np.isfinite(targets)).any(axis=1).sum())} other samples; "
            "fit on `training_rows`."
        )
        raise ForecastError(msg)
    return targets


def scales_of(log_scales: Array, panel: Panel, rows: Rows) -> Array:
    """Return the scales of log returns (n, H) for log scales (n, H) in units of the volatility.

    Raises
    ------
    ForecastError
        When a log scale is not finite.
    """
    if not np.isfinite(log_scales).all():
        msg = "`log_scales` must be finite, got NaN or infinity; the fit failed."
        raise ForecastError(msg)
    unit = horizon_volatility(panel.volatility[rows], panel.horizons)
    return np.exp(np.clip(log_scales, MIN_LOG_SCALE, MAX_LOG_SCALE)) * unit
