"""The scaling of features that both ensemble members see, fitted on training rows only.

It travels inside the bundle and is never refitted. Scaling of targets by volatility does not belong
here (`forecasting.models.base`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError, NotEnoughHistoryError

Floats = npt.NDArray[np.float32]

# A scaled feature beyond five spreads says "extreme"; how extreme must not steer a network.
CLIP = 5.0


@dataclass(frozen=True, eq=False)
class Scaler:
    """Centre and spread of each feature; ``clip((x - center) / spread, -clip, clip)``.

    Attributes
    ----------
    center, spread
        float32 (F,); mean and standard deviation of the rows it was fitted on. The spread of a
        constant feature is 1.
    clip
        Bound of a scaled value.
    """

    center: Floats
    spread: Floats
    clip: float = CLIP

    @classmethod
    def fit(cls, rows: Floats) -> Scaler:
        """Fit on feature rows.

        Parameters
        ----------
        rows
            float32 (n, F), finite; the newest row of each training window.

        Raises
        ------
        NotEnoughHistoryError
            When there is no row.
        ForecastError
            When a value is missing or infinite.
        """
        if len(rows) == 0:
            msg = "`rows` must hold at least one training row, got none; provide a longer history."
            raise NotEnoughHistoryError(msg)
        if not np.isfinite(rows).all():
            columns = np.flatnonzero(~np.isfinite(rows).all(axis=0)).tolist()
            msg = f"`rows` must be finite, got missing or infinite values in features {columns}."
            raise ForecastError(msg)
        wide = rows.astype(np.float64)
        center = wide.mean(axis=0).astype(np.float32)
        spread = wide.std(axis=0).astype(np.float32)
        # A constant has a spread of rounding errors; dividing by it would make noise of it.
        constant = spread <= 1e-6 * np.maximum(np.abs(center), 1e-6)
        return cls(center, np.where(constant, np.float32(1), spread))

    def transform(self, values: Floats) -> Floats:
        """Scale the last axis of `values`, (..., F); returns float32 of the same shape."""
        scaled: Floats = np.clip((values - self.center) / self.spread, -self.clip, self.clip)
        return scaled.astype(np.float32, copy=False)
