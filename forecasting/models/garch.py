"""GARCH(1,1) with Student-t innovations, the reference that a volatility forecast must beat.

Fitting is `arch`'s. Filtering forward and the distribution over several sessions are done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from forecasting.distribution.levels import LEVELS
from forecasting.models.base import (
    Array,
    QuantileForecast,
    Rows,
    daily_histories,
    daily_log_returns,
    rows_by_ticker,
)
from forecasting.samples.panel import Panel

# `arch` optimises best when returns are in percent.
PERCENT = 100.0
# Samples simulated at once, so that a long test stretch needs no more memory than a short one.
CHUNK = 256


@dataclass(frozen=True)
class GarchConfig:
    """How GARCH is simulated.

    Attributes
    ----------
    paths
        Simulated paths for horizons beyond one session; even, because half of them mirror the rest.
    """

    paths: int = 4000

    @classmethod
    def for_profile(cls, profile: str) -> GarchConfig:
        """Return the config of a settings profile, `standard` or `quick`."""
        return cls(paths=1000) if profile == "quick" else cls()


@dataclass(frozen=True)
class GarchParameters:
    """One ticker's fit, in percent: ``r = mu + e``, ``var = omega + alpha e^2 + beta var``."""

    mu: float
    omega: float
    alpha: float
    beta: float
    nu: float


class GarchModel:
    """GARCH(1,1)-t per ticker (Bollerslev 1987), fitted once and filtered forward.

    Parameters are fitted to daily log returns up to the cutoff and then stay fixed; the variance
    of the next session uses log returns up to the as-of session. One session ahead the distribution
    is exact; further ahead it is simulated, with the same seeded shocks for every as-of session.

    Attributes
    ----------
    refused
        Tickers without a fit, with the reason: too young, or no convergence from any start.
    parameters
        The fit of each other ticker.
    """

    name = "garch"

    def __init__(self, config: GarchConfig | None = None, *, seed: int = 0) -> None:
        self.config = config or GarchConfig()
        self.seed = seed
        self.refused: dict[str, str] = {}
        self.parameters: dict[str, GarchParameters] = {}

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Fit every ticker to its log returns up to the last as-of session of `rows`."""
        self.parameters = {}
        histories, self.refused = daily_histories(panel, rows)
        for ticker, daily in histories.items():
            if (fitted := fit_parameters(PERCENT * daily)) is None:
                self.refused[ticker] = "GARCH(1,1)-t did not converge on its log returns"
            else:
                self.parameters[ticker] = fitted
        return self

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Forecast from the variance that is known at each as-of session, see `Reference`."""
        horizons = np.asarray(panel.horizons)
        mean = np.empty((len(rows), len(horizons)))
        quantiles = np.empty((*mean.shape, len(LEVELS)))
        daily = daily_log_returns(panel)
        for ticker, places in rows_by_ticker(panel, rows, self.refused).items():
            fitted = self.parameters[ticker]
            sessions = daily[ticker]["session"].to_numpy().astype("datetime64[D]")
            variance = next_variance(PERCENT * daily[ticker]["log_return"].to_numpy(), fitted)
            # A sample's as-of session always has a log return: features need many of them.
            at = np.searchsorted(sessions, panel.sample_sessions[rows[places]])
            mean[places] = fitted.mu * horizons / PERCENT
            quantiles[places] = self._distribution(variance[at], fitted, horizons) / PERCENT
        return QuantileForecast(mean, quantiles)

    def _distribution(self, variance: Array, fitted: GarchParameters, horizons: Rows) -> Array:
        """Return quantiles (n, H, 199) in percent from the next session's variance (n,)."""
        from scipy import stats  # noqa: PLC0415  only training has it

        unit = math.sqrt((fitted.nu - 2) / fitted.nu)
        exact = fitted.mu + np.sqrt(variance)[:, None] * unit * stats.t.ppf(LEVELS, fitted.nu)
        generator = np.random.default_rng(self.seed)
        half = generator.standard_t(fitted.nu, size=(int(horizons[-1]), self.config.paths // 2))
        shocks = unit * np.concatenate([half, -half], axis=1)
        chunks = [
            _simulate(variance[start : start + CHUNK], shocks, fitted, horizons)
            for start in range(0, len(variance), CHUNK)
        ]
        quantiles = np.concatenate(chunks)
        quantiles[:, horizons == 1] = exact[:, None]
        return quantiles


def fit_parameters(log_returns: Array) -> GarchParameters | None:
    """Fit GARCH(1,1)-t to log returns in percent, or return None when no start converges."""
    from arch import arch_model  # noqa: PLC0415  slow to import, and only training has it

    spread = float(log_returns.var())
    if not spread > 0:
        return None
    model = arch_model(log_returns, vol="GARCH", p=1, q=1, dist="t", rescale=False)
    mu = float(log_returns.mean())
    starts = [None, *([mu, (1 - a - b) * spread, a, b, 6.0] for a, b in ((0.05, 0.93), (0.1, 0.8)))]
    for start in starts:
        fit: Any = model.fit(
            disp="off",
            show_warning=False,
            starting_values=None if start is None else np.array(start),
        )
        values = [float(value) for value in fit.params]
        if (
            fit.convergence_flag == 0
            and np.isfinite(values).all()
            and math.isfinite(fit.loglikelihood)
        ):
            return GarchParameters(*values)
    return None


def next_variance(log_returns: Array, fitted: GarchParameters) -> Array:
    """Return the variance of the session after each one, (n,), from log returns up to it.

    The recursion starts, as in `arch`, from an exponentially weighted mean over the first 75
    sessions, which lie before any cutoff.
    """
    squared = (log_returns - fitted.mu) ** 2
    first = min(75, len(squared))
    decay = 0.94 ** np.arange(first)
    variance = float(squared[:first] @ decay / decay.sum())
    variance = fitted.omega + (fitted.alpha + fitted.beta) * variance
    following = np.empty(len(squared))
    for t, shock in enumerate(squared):
        variance = fitted.omega + fitted.alpha * shock + fitted.beta * variance
        following[t] = variance
    return following


def _simulate(variance: Array, shocks: Array, fitted: GarchParameters, horizons: Rows) -> Array:
    """Return quantiles (n, H, 199) of the cumulative log return along `shocks` (h, paths)."""
    step_variance = np.repeat(variance[:, None], shocks.shape[1], axis=1)
    total = np.zeros_like(step_variance)
    quantiles = np.empty((len(variance), len(horizons), len(LEVELS)))
    for step, shock in enumerate(shocks, start=1):
        surprise = np.sqrt(step_variance) * shock
        total += fitted.mu + surprise
        step_variance *= fitted.beta
        step_variance += fitted.omega + fitted.alpha * surprise**2
        for column in np.flatnonzero(horizons == step):
            quantiles[:, column] = np.quantile(total, LEVELS, axis=1).T
    return quantiles
