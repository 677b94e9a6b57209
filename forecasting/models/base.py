"""What a forecaster is: the protocols of all models, and the z-space that both members live in.

The z-space is a contract with the fused graph (`forecasting.export.fusion`), which repeats it in ONNX: a
change here is a change there. Fitting anything does not belong here.
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

# Fitting sees no target beyond ten volatilities: one crash must not be the whole loss. Scoring
# sees every outcome as it was.
TARGET_CLIP = 10.0

# One year of daily log returns: a reference fitted to less is a guess about its tails.
MIN_SESSIONS = 252


@dataclass(frozen=True, eq=False)
class Moments:
    """Location and scale of log returns, (n, H) each, in units of the log return."""

    mean: Array
    scale: Array

    def __post_init__(self) -> None:
        if self.mean.shape != self.scale.shape:
            shapes = f"{self.mean.shape} and {self.scale.shape}"
            msg = f"`mean` and `scale` must have one shape, got {shapes}."
            raise ForecastError(msg)
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all()):
            msg = "`mean` and `scale` must be finite, got NaN or infinity; the fit did not succeed."
            raise ForecastError(msg)
        if (self.scale <= 0).any():
            msg = f"`scale` must be positive, got {self.scale.min()}; the fit did not succeed."
            raise ForecastError(msg)


@dataclass(frozen=True, eq=False)
class QuantileForecast:
    """Point forecast (n, H) and quantiles (n, H, 199) at `LEVELS`, in units of the log return."""

    mean: Array
    quantiles: Array


class Forecaster(Protocol):
    """What members and references share.

    `fit` learns from the samples `rows` of `panel` and their targets, and from nothing else that
    came after the last of them, the cutoff. It is repeatable: same panel, rows and config, same
    model.
    """

    name: str

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Learn from samples `rows`, whose targets must be known."""
        ...


class Member(Forecaster, Protocol):
    """A forecaster of location and scale, pooled over tickers; the ensemble is made of these."""

    def moments(self, panel: Panel, rows: Rows) -> Moments:
        """Forecast samples `rows` from what is known at each one's as-of session."""
        ...


class Reference(Forecaster, Protocol):
    """A forecaster of whole distributions, ticker by ticker; skill is measured against it."""

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Forecast samples `rows` from what is known at each one's as-of session.

        Raises
        ------
        ForecastError
            For a ticker that `refused` names.
        """
        ...

    @property
    def refused(self) -> dict[str, str]:
        """Tickers that could not be fitted, each with the reason."""
        ...


def horizon_volatility(volatility: Array, horizons: Sequence[int]) -> Array:
    """Return ``s_h = volatility * sqrt(h)``, the unit of z: (n,) -> (n, H)."""
    return volatility[:, None] * np.sqrt(np.asarray(horizons, dtype=np.float64))[None, :]


def fitting_targets(panel: Panel, rows: Rows) -> Array:
    """Return ``z_h = log_return_h / s_h`` of the samples, clipped to +-`TARGET_CLIP`: (n, H).

    Raises
    ------
    ForecastError
        When a target is not known, or a sample's volatility is not positive.
    """
    unit = horizon_volatility(panel.volatility[rows], panel.horizons)
    z = panel.log_returns[rows] / np.where(unit > 0, unit, np.nan)
    if not np.isfinite(z).all():
        msg = (
            "`rows` must name samples with known targets and a positive volatility, "
            f"got {int((~np.isfinite(z)).any(axis=1).sum())} without; fit on `training_rows` only."
        )
        raise ForecastError(msg)
    return np.clip(z, -TARGET_CLIP, TARGET_CLIP)


def cutoff_of(panel: Panel, rows: Rows) -> np.datetime64:
    """Return the last as-of session among `rows`."""
    if len(rows) == 0:
        msg = "`rows` must name at least one training sample, got none."
        raise ForecastError(msg)
    latest: np.datetime64 = panel.sample_sessions[rows].max()
    return latest


def daily_log_returns(panel: Panel, until: np.datetime64 | None = None) -> dict[str, pl.DataFrame]:
    """Return ``session, log_return`` of every ticker, up to and including session `until`."""
    known = panel.daily.drop_nulls("log_return")
    if until is not None:
        known = known.filter(pl.col("session") <= until.astype("datetime64[D]").item())
    return {
        str(ticker): frame.drop("ticker")
        for (ticker,), frame in known.partition_by(
            "ticker", as_dict=True, maintain_order=True
        ).items()
    }


def rows_by_ticker(panel: Panel, rows: Rows, refused: Mapping[str, str]) -> dict[str, Rows]:
    """Return for each ticker the positions within `rows` of its samples.

    Raises
    ------
    ForecastError
        When a ticker among them was refused.
    """
    tickers = panel.keys["ticker"].gather(rows).to_numpy()
    groups = {str(ticker): np.flatnonzero(tickers == ticker) for ticker in np.unique(tickers)}
    for ticker, reason in refused.items():
        if ticker in groups:
            msg = f"`rows` must leave out ticker {ticker!r}, which was refused: {reason}"
            raise ForecastError(msg)
    return groups


def daily_histories(panel: Panel, rows: Rows) -> tuple[dict[str, Array], dict[str, str]]:
    """Return each ticker's log returns up to the cutoff of `rows`, and why some have too few."""
    known = daily_log_returns(panel, cutoff_of(panel, rows))
    histories: dict[str, Array] = {}
    refused: dict[str, str] = {}
    for ticker in panel.keys["ticker"].unique().sort():
        daily = known[ticker]["log_return"].to_numpy() if ticker in known else np.empty(0)
        if len(daily) >= MIN_SESSIONS:
            histories[ticker] = daily
        else:
            up_to = "sessions with a log return up to the cutoff"
            refused[ticker] = f"has {len(daily)} {up_to}; {MIN_SESSIONS} needed"
    return histories, refused


def fitted(part: T | None, model: str) -> T:
    """Return `part` of a fitted model.

    Raises
    ------
    ForecastError
        When the model was not fitted yet.
    """
    if part is None:
        msg = f"`{model}` must be fitted before it is used; call `fit` first."
        raise ForecastError(msg)
    return part
