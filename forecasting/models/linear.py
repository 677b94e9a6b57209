"""The linear members: the log scale as a linear function of features in logarithms.

References
----------
.. [1] Corsi, F. (2009). A simple approximate long-memory model of realized volatility. Journal of
       Financial Econometrics 7, 174-196.
.. [2] Lange, K. L., Little, R. J. A. and Taylor, J. M. G. (1989). Robust statistical modeling using
       the t distribution. Journal of the American Statistical Association 84, 881-896.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from core.errors import ForecastError
from forecasting.models.base import Array, Rows, check_fitted
from forecasting.models.student_scale import fit_log_scale
from forecasting.models.z_space import fitting_targets, horizon_volatility, scales_of
from forecasting.samples.panel import Panel
from forecasting.samples.scaling import Scaler

# Penalty of a squared coefficient, relative to the mean loss of a row.
PENALTY = 0.01
# Features in units of the volatility have this prefix. Most others are not linear in a log scale.
PREFIX = "scaled_"
OTHER_INPUTS = ("log_ewma_volatility", "volume_ratio_20", "volume_trend_5_50")


class LinearModel:
    """Ridge regression of the log realised volatility on features in logarithms [1]_.

    Attributes
    ----------
    coefficients, intercept
        (F, H) and (H,): the log scale of each horizon is ``x @ coefficients + intercept`` for a
        scaled feature row x. Coefficients of features that are no inputs are 0.
    scaler
        Scaling of the feature rows, shared with the other members.
    """

    name = "linear"

    def __init__(self, *, scaler: Scaler | None = None) -> None:
        self._scaler = scaler
        self._coefficients: Array | None = None
        self._intercept: Array | None = None

    @property
    def scaler(self) -> Scaler:
        """Scaling that the model was fitted with."""
        return check_fitted(self._scaler, self.name)

    @property
    def coefficients(self) -> Array:
        """(F, H) coefficients."""
        return check_fitted(self._coefficients, self.name)

    @property
    def intercept(self) -> Array:
        """(H,) log scale of a row with average features."""
        return check_fitted(self._intercept, self.name)

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Fit on the last feature row of each sample, see `Forecaster`."""
        inputs = _input_columns(panel.feature_names)
        if self._scaler is None:
            self._scaler = Scaler.fit(panel.last(rows))
        x = self._scaler.transform(panel.last(rows))[:, inputs].astype(np.float64)
        design = np.column_stack([np.ones(len(x)), x])
        solution = self._solve(design, panel, rows)
        self._coefficients = np.zeros((len(panel.feature_names), len(panel.horizons)))
        self._coefficients[inputs] = solution[1:]
        self._intercept = solution[0]
        return self

    def scales(self, panel: Panel, rows: Rows) -> Array:
        """Forecast samples `rows` from their last feature row, see `Member`."""
        x = self.scaler.transform(panel.last(rows)).astype(np.float64)
        return scales_of(x @ self.coefficients + self.intercept, panel, rows)

    def _solve(self, design: Array, panel: Panel, rows: Rows) -> Array:
        """Return intercept and coefficients (1 + inputs, H)."""
        n = len(design)
        penalty = penalty_matrix(design.shape[1])
        targets = fitting_targets(panel, rows)
        solution = np.linalg.solve(design.T @ design / n + penalty, design.T @ targets / n)
        return np.asarray(solution, dtype=np.float64)


class StudentModel(LinearModel):
    """Linear log scale with the largest Student-t likelihood of the outcomes [2]_.

    It learns from the log returns, because the realised volatility does not show their tails.
    """

    name = "student"

    def _solve(self, design: Array, panel: Panel, rows: Rows) -> Array:
        z = panel.log_returns[rows] / horizon_volatility(panel.volatility[rows], panel.horizons)
        if not np.isfinite(z).all():
            msg = "`rows` must select samples with known targets; fit on `training_rows`."
            raise ForecastError(msg)
        penalty = penalty_matrix(design.shape[1])
        return np.column_stack([fit_log_scale(design, column, penalty) for column in z.T])


def penalty_matrix(size: int) -> Array:
    """Return the penalty of intercept and coefficients; the intercept is free."""
    return PENALTY * np.diag([0.0] + [1.0] * (size - 1))


def _input_columns(names: tuple[str, ...]) -> Rows:
    is_input = [name.startswith(PREFIX) or name in OTHER_INPUTS for name in names]
    if not any(is_input):
        msg = f"`panel` must have features that start with {PREFIX!r}, got {', '.join(names)}."
        raise ForecastError(msg)
    return np.flatnonzero(is_input)
