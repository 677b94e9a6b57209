"""Protocols of the forecasters, and the forecasts that they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError
from forecasting.samples.panel import Panel

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

T = TypeVar("T")

MEMBERS = ("linear", "student", "forest", "lstm")
REFERENCES = ("naive", "garch")
# The unit of the members, calibrated like them, so that scores show what the members add to it.
EWMA = "ewma"
PEERS = (EWMA,)


@dataclass(frozen=True, eq=False)
class QuantileForecast:
    """Point forecasts and quantiles of log returns over each horizon.

    Attributes
    ----------
    mean
        (n, H) point forecasts in units of the log return.
    quantiles
        (n, H, 199) quantiles at `forecasting.distribution.levels.LEVELS`.
    """

    mean: Array
    quantiles: Array


class Forecaster(Protocol):
    """A model that is fitted on samples of a panel.

    `fit` uses only information up to the cutoff, the last as-of session of `rows`, and the targets
    of `rows`. The same panel, rows and configuration give the same model.
    """

    name: str

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Fit on samples `rows` with known targets."""
        ...


class Member(Forecaster, Protocol):
    """A forecaster of the scale of log returns, fitted on all tickers together."""

    def scales(self, panel: Panel, rows: Rows) -> Array:
        """Forecast samples `rows` from information known at the as-of session of each.

        Returns
        -------
        ndarray
            (n, H) positive scales in units of the log return. Their constant factor has no
            meaning, because calibration corrects it.
        """
        ...


class Reference(Forecaster, Protocol):
    """A forecaster of whole distributions, fitted per ticker. Skill is measured against it."""

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Forecast samples `rows` from information known at the as-of session of each.

        Raises
        ------
        ForecastError
            When `rows` contains a ticker of `unfitted`.
        """
        ...

    @property
    def unfitted(self) -> dict[str, str]:
        """Tickers that could not be fitted, with the reason."""
        ...


def check_fitted(part: T | None, model: str) -> T:
    """Return `part` of a fitted model.

    Raises
    ------
    ForecastError
        When `part` is None because `fit` was not called.
    """
    if part is None:
        msg = f"`{model}` must be fitted before it is used; call `fit` first."
        raise ForecastError(msg)
    return part
