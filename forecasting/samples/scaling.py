"""Scaling of features, fitted on training rows and shared by the members of the ensemble.

The fitted scaling is part of the bundle and is never refitted. Targets are scaled by volatility,
see `forecasting.models.z_space`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError, NotEnoughHistoryError

Floats = npt.NDArray[np.float32]

# Beyond five standard deviations, the size of an outlier must not dominate a network's inputs.
CLIP = 5.0


@dataclass(frozen=True, eq=False)
class Scaler:
    """Centre and spread of each feature: ``clip((x - center) / spread, -clip, clip)``.

    Attributes
    ----------
    center, spread
        float32 (F,): mean and standard deviation of the training rows. The spread of a constant
        feature is 1.
    clip
        Bound of the absolute scaled value.

    Examples
    --------
    >>> scaler = Scaler.fit(np.array([[1.0, 7.0], [3.0, 7.0]], dtype=np.float32))
    >>> scaler.transform(np.array([[2.5, 7.0], [99.0, 7.0]], dtype=np.float32)).tolist()
    [[0.5, 0.0], [5.0, 0.0]]
    """

    center: Floats
    spread: Floats
    clip: float = CLIP

    @classmethod
    def fit(cls, rows: Floats) -> Scaler:
        """Compute centre and spread of each feature.

        Parameters
        ----------
        rows
            float32 (n, F), finite: the newest feature row of each training window.

        Raises
        ------
        NotEnoughHistoryError
            When `rows` is empty.
        ForecastError
            When a value is missing or infinite.
        """
        if len(rows) == 0:
            msg = "`rows` must contain at least one training row, got 0; provide a longer history."
            raise NotEnoughHistoryError(msg)
        if not np.isfinite(rows).all():
            columns = np.flatnonzero(~np.isfinite(rows).all(axis=0)).tolist()
            msg = f"`rows` must be finite, got missing or infinite values in features {columns}."
            raise ForecastError(msg)
        wide = rows.astype(np.float64)
        center = wide.mean(axis=0).astype(np.float32)
        spread = wide.std(axis=0).astype(np.float32)
        # The spread of a constant is a rounding error; dividing by it would amplify the error.
        is_constant = spread <= 1e-6 * np.maximum(np.abs(center), 1e-6)
        return cls(center, np.where(is_constant, np.float32(1), spread))

    def transform(self, values: Floats) -> Floats:
        """Return `values` (..., F) scaled along the last axis, as float32 of the same shape."""
        scaled: Floats = np.clip((values - self.center) / self.spread, -self.clip, self.clip)
        return scaled.astype(np.float32, copy=False)
