"""Protocols of the forecasters, and the z-space in which both members are fitted.

The fused graph of `forecasting.export.fusion` repeats the arithmetic of the z-space in ONNX. Change
both together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from core.errors import ForecastError
from forecasting.samples.panel import Panel

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

T = TypeVar("T")

MEMBERS = ("forest", "lstm")
REFERENCES = ("naive", "garch")

# Targets are clipped at ten volatilities for fitting, so that one crash does not dominate the loss.
# Outcomes are never clipped for scoring.
TARGET_CLIP = 10.0

# One year of log returns; the tails of a reference that is fitted to less are unreliable.
MIN_SESSIONS = 252


@dataclass(frozen=True, eq=False)
class Moments:
    """Location and scale of log returns over each horizon.

    Attributes
    ----------
    mean, scale
        (n, H) finite values in units of the log return; scales are positive.
    """

    mean: Array
    scale: Array

    def __post_init__(self) -> None:
        if self.mean.shape != self.scale.shape:
            shapes = f"{self.mean.shape} and {self.scale.shape}"
            msg = f"`mean` and `scale` must have the same shape, got {shapes}."
            raise ForecastError(msg)
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all()):
            msg = "`mean` and `scale` must be finite, got NaN or infinity; the fit failed."
            raise ForecastError(msg)
        if (self.scale <= 0).any():
            msg = f"`scale` must be positive, got {self.scale.min()}; the fit failed."
            raise ForecastError(msg)


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
        """Fit on samples `rows`, whose targets must be known."""
        ...


class Member(Forecaster, Protocol):
    """A forecaster of location and scale, fitted on all tickers together."""

    def moments(self, panel: Panel, rows: Rows) -> Moments:
        """Forecast samples `rows` from information known at the as-of session of each."""
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


def cutoff_of(panel: Panel, rows: Rows) -> np.datetime64:
    """Return the last as-of session of samples `rows`.

    Raises
    ------
    ForecastError
        When `rows` is empty.
    """
    if len(rows) == 0:
        msg = "`rows` must select at least one training sample, got 0."
        raise ForecastError(msg)
    latest: np.datetime64 = panel.sample_sessions[rows].max()
    return latest


def daily_log_returns(panel: Panel, until: np.datetime64 | None = None) -> dict[str, pl.DataFrame]:
    """Return ``session, log_return`` of every ticker, up to and including session `until`."""
    returns = panel.daily.drop_nulls("log_return")
    if until is not None:
        returns = returns.filter(pl.col("session") <= until.astype("datetime64[D]").item())
    by_ticker = returns.partition_by("ticker", as_dict=True, maintain_order=True)
    return {str(ticker): frame.drop("ticker") for (ticker,), frame in by_ticker.items()}


def rows_by_ticker(panel: Panel, rows: Rows, unfitted: Mapping[str, str]) -> dict[str, Rows]:
    """Return the positions within `rows` of the samples of each ticker.

    Raises
    ------
    ForecastError
        When `rows` contains a ticker of `unfitted`.
    """
    tickers = panel.keys["ticker"].gather(rows).to_numpy()
    groups = {str(ticker): np.flatnonzero(tickers == ticker) for ticker in np.unique(tickers)}
    for ticker, reason in unfitted.items():
        if ticker in groups:
            msg = f"`rows` must not contain ticker {ticker!r}, which was not fitted: it {reason}."
            raise ForecastError(msg)
    return groups


def daily_histories(panel: Panel, rows: Rows) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the log returns of each ticker up to the cutoff of `rows`.

    Returns
    -------
    histories : dict
        Ticker -> (n,) log returns over one session.
    unfitted : dict
        Ticker -> reason, for tickers with fewer than `MIN_SESSIONS` log returns.
    """
    returns = daily_log_returns(panel, cutoff_of(panel, rows))
    histories: dict[str, Array] = {}
    unfitted: dict[str, str] = {}
    for ticker in panel.keys["ticker"].unique().sort():
        daily = returns[ticker]["log_return"].to_numpy() if ticker in returns else np.empty(0)
        if len(daily) >= MIN_SESSIONS:
            histories[ticker] = daily
        else:
            count = f"{len(daily)} sessions with a log return up to the cutoff"
            unfitted[ticker] = f"has {count}; {MIN_SESSIONS} needed"
    return histories, unfitted


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
