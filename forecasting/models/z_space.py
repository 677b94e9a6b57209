"""The z-space, in which both members are fitted: log returns in units of their volatility.

The fused graph of `forecasting.export.fusion` repeats the arithmetic in ONNX. Change both together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import ForecastError
from forecasting.models.base import Array, Rows
from forecasting.samples.panel import Panel

# Targets are clipped at ten volatilities for fitting, so that one crash does not dominate the loss.
# Outcomes are never clipped for scoring.
TARGET_CLIP = 10.0


def horizon_volatility(volatility: Array, horizons: Sequence[int]) -> Array:
    """Return the unit of z, ``s_h = volatility * sqrt(h)``: (n,) -> (n, H)."""
    return volatility[:, None] * np.sqrt(np.asarray(horizons, dtype=np.float64))[None, :]


def fitting_targets(panel: Panel, rows: Rows) -> Array:
    """Return the targets ``z_h = log_return_h / s_h``, clipped to +-`TARGET_CLIP`.

    Returns
    -------
    ndarray
        (n, H) targets of samples `rows`, without a unit.

    Raises
    ------
    ForecastError
        When a target is unknown, or when the volatility of a sample is not positive.
    """
    unit = horizon_volatility(panel.volatility[rows], panel.horizons)
    z = panel.log_returns[rows] / np.where(unit > 0, unit, np.nan)
    if not np.isfinite(z).all():
        msg = (
            "`rows` must select samples with known targets and positive volatility, got "
            f"{int((~np.isfinite(z)).any(axis=1).sum())} other samples; fit on `training_rows`."
        )
        raise ForecastError(msg)
    return np.clip(z, -TARGET_CLIP, TARGET_CLIP)
