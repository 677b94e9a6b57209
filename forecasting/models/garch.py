"""GARCH(1,1) with Student-t innovations, the reference for volatility forecasts.

The `arch` package fits the parameters. This module filters the variance forward and computes the
distribution over several sessions.

References
----------
.. [1] Bollerslev, T. (1987). A conditionally heteroskedastic time series model for speculative
       prices and rates of return. Review of Economics and Statistics 69, 542-547.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from forecasting.distribution.levels import LEVELS
from forecasting.models.base import Array, QuantileForecast, Rows
from forecasting.models.histories import daily_histories, daily_log_returns, rows_by_ticker
from forecasting.samples.panel import Panel

# The optimiser of `arch` converges best for returns in percent.
PERCENT = 100.0
# Alpha, beta and nu from which the likelihood is maximised. On 104 stretches of real log returns
# they reach the best maximum of 27 starts; single starts miss it by up to 14.
STARTS = ((0.002, 0.99, 4.0), (0.01, 0.98, 8.0), (0.03, 0.96, 8.0), (0.1, 0.8, 4.0))
# Absolute tolerance of the log likelihood. With the default of 1e-6, the parameters depend on the
# rounding of the processor.
TOLERANCE = 1e-10
# Samples that are simulated together; it bounds the memory for long test sets.
CHUNK = 256


@dataclass(frozen=True)
class GarchConfig:
    """Configuration of the simulation.

    Attributes
    ----------
    paths
        Simulated paths for horizons beyond one session. Even, because half of the paths mirror the
        other half.
    """

    paths: int = 4000

    @classmethod
    def for_profile(cls, profile: str) -> GarchConfig:
        """Return the configuration of the profile `standard` or `quick`."""
        return cls(paths=1000) if profile == "quick" else cls()


@dataclass(frozen=True)
class GarchParameters:
    """Parameters for returns in percent: ``r = mu + e``, ``var = omega + alpha e^2 + beta var``.

    `nu` is the number of degrees of freedom of the Student t.
    """

    mu: float
    omega: float
    alpha: float
    beta: float
    nu: float


class GarchModel:
    """GARCH(1,1)-t per ticker [1]_, fitted once and filtered forward.

    The parameters maximise the likelihood of log returns up to the cutoff and then stay fixed. The
    variance of the next session is computed from log returns up to the as-of session. The
    distribution over one session is exact. Distributions over more sessions are simulated, with the
    same seeded shocks for every as-of session.

    Attributes
    ----------
    unfitted
        Tickers with a short history or without convergence, with the reason.
    parameters
        Fitted parameters of every other ticker.
    """

    name = "garch"

    def __init__(self, config: GarchConfig | None = None, *, seed: int = 0) -> None:
        self.config = config or GarchConfig()
        self.seed = seed
        self.unfitted: dict[str, str] = {}
        self.parameters: dict[str, GarchParameters] = {}

    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Fit every ticker to its log returns up to the last as-of session of `rows`."""
        self.parameters = {}
        histories, self.unfitted = daily_histories(panel, rows)
        for ticker, daily in histories.items():
            if (parameters := fit_parameters(PERCENT * daily)) is None:
                self.unfitted[ticker] = "has log returns on which GARCH(1,1)-t did not converge"
            else:
                self.parameters[ticker] = parameters
        return self

    def quantiles(self, panel: Panel, rows: Rows) -> QuantileForecast:
        """Forecast from the variance known at the as-of session of each sample, see `Reference`."""
        horizons = np.asarray(panel.horizons)
        mean = np.empty((len(rows), len(horizons)))
        quantiles = np.empty((*mean.shape, len(LEVELS)))
        daily = daily_log_returns(panel)
        for ticker, places in rows_by_ticker(panel, rows, self.unfitted).items():
            parameters = self.parameters[ticker]
            sessions = daily[ticker]["session"].to_numpy().astype("datetime64[D]")
            variance = next_variance(PERCENT * daily[ticker]["log_return"].to_numpy(), parameters)
            # The as-of session of a sample has a log return, because features need many of them.
            at = np.searchsorted(sessions, panel.sample_sessions[rows[places]])
            mean[places] = parameters.mu * horizons / PERCENT
            quantiles[places] = self._distribution(variance[at], parameters, horizons) / PERCENT
        return QuantileForecast(mean, quantiles)

    def _distribution(self, variance: Array, parameters: GarchParameters, horizons: Rows) -> Array:
        """Return quantiles (n, H, 199) in percent from the variance (n,) of the next session."""
        from scipy import stats  # noqa: PLC0415  serving does not install scipy

        nu = parameters.nu
        unit = math.sqrt((nu - 2) / nu)
        exact = parameters.mu + np.sqrt(variance)[:, None] * unit * stats.t.ppf(LEVELS, nu)
        generator = np.random.default_rng(self.seed)
        half = generator.standard_t(nu, size=(int(horizons[-1]), self.config.paths // 2))
        shocks = unit * np.concatenate([half, -half], axis=1)
        chunks = [
            _simulate(variance[start : start + CHUNK], shocks, parameters, horizons)
            for start in range(0, len(variance), CHUNK)
        ]
        quantiles = np.concatenate(chunks)
        quantiles[:, horizons == 1] = exact[:, None]
        return quantiles


def fit_parameters(log_returns: Array) -> GarchParameters | None:
    """Fit GARCH(1,1)-t to log returns in percent, or return None without convergence.

    The likelihood may have several maxima. The optimiser runs from each of `STARTS`, and the fit
    with the largest likelihood counts.
    """
    from arch import arch_model  # noqa: PLC0415  slow to import, and serving does not install it

    mu, variance = float(log_returns.mean()), float(log_returns.var())
    if not variance > 0:
        return None
    model = arch_model(log_returns, vol="GARCH", p=1, q=1, dist="t", rescale=False)
    fits: list[Any] = [
        model.fit(
            disp="off",
            show_warning=False,
            starting_values=np.array([mu, (1 - a - b) * variance, a, b, nu]),
            tol=TOLERANCE,
        )
        for a, b, nu in STARTS
    ]
    converged = [fit for fit in fits if fit.convergence_flag == 0 and _is_finite(fit)]
    if not converged:
        return None
    best = max(converged, key=lambda fit: fit.loglikelihood)
    return GarchParameters(*(float(value) for value in best.params))


def _is_finite(fit: Any) -> bool:  # noqa: ANN401  a result of `arch`
    return math.isfinite(fit.loglikelihood) and bool(np.isfinite(fit.params).all())


def next_variance(log_returns: Array, parameters: GarchParameters) -> Array:
    """Return the variance of the session after each log return, given log returns up to it.

    As in `arch`, the recursion starts from an exponentially weighted mean over the first 75
    sessions, which precede every cutoff. `log_returns` (n,) are in percent, the result (n,) in
    percent squared.
    """
    squared = (log_returns - parameters.mu) ** 2
    first = min(75, len(squared))
    decay = 0.94 ** np.arange(first)
    variance = float(squared[:first] @ decay / decay.sum())
    variance = parameters.omega + (parameters.alpha + parameters.beta) * variance
    following = np.empty(len(squared))
    for t, shock in enumerate(squared):
        variance = parameters.omega + parameters.alpha * shock + parameters.beta * variance
        following[t] = variance
    return following


def _simulate(variance: Array, shocks: Array, parameters: GarchParameters, horizons: Rows) -> Array:
    """Return quantiles (n, H, 199) of the cumulative log return along `shocks` (h, paths)."""
    step_variance = np.repeat(variance[:, None], shocks.shape[1], axis=1)
    total = np.zeros_like(step_variance)
    quantiles = np.empty((len(variance), len(horizons), len(LEVELS)))
    for step, shock in enumerate(shocks, start=1):
        innovation = np.sqrt(step_variance) * shock
        total += parameters.mu + innovation
        step_variance *= parameters.beta
        step_variance += parameters.omega + parameters.alpha * innovation**2
        for column in np.flatnonzero(horizons == step):
            quantiles[:, column] = np.quantile(total, LEVELS, axis=1).T
    return quantiles
