"""GARCH against `arch` itself, and against closed forms."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pytest
from arch import arch_model
from scipy import stats
from support.forecasting.panels import rows_between, sample_panel

from forecasting.distribution.levels import LEVELS
from forecasting.models.garch import (
    PERCENT,
    GarchConfig,
    GarchModel,
    GarchParameters,
    fit_parameters,
    next_variance,
)

CUTOFF = date(2006, 9, 1)


@cache
def model() -> GarchModel:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2004, 1, 1), CUTOFF)
    return GarchModel(GarchConfig(paths=4000), seed=1).fit(panel, rows)


def returns_of(ticker: str) -> np.ndarray:
    panel = sample_panel("AAPL", "IBM")
    daily = panel.daily.filter(ticker=ticker)["log_return"].drop_nulls().to_numpy()
    return PERCENT * daily


def fixed(ticker: str) -> object:
    p = model().parameters[ticker]
    values = np.array([p.mu, p.omega, p.alpha, p.beta, p.nu])
    return arch_model(returns_of(ticker), dist="t", rescale=False).fix(values)


@pytest.mark.parametrize("ticker", ["AAPL", "IBM"])
def test_filtered_variance_equals_archs(ticker: str) -> None:
    expected = fixed(ticker).forecast(horizon=1, start=0).variance.to_numpy()[:, 0]
    found = next_variance(returns_of(ticker), model().parameters[ticker])
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_one_session_ahead_is_the_exact_student_t() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2007, 3, 1), date(2007, 3, 1))
    forecast = model().quantiles(panel, rows)
    p = model().parameters["AAPL"]
    known = panel.daily.filter(ticker="AAPL").filter(session=date(2007, 3, 1)).height
    assert known == 1
    past = panel.daily.filter(ticker="AAPL").drop_nulls()
    upto = past.filter(past["session"] <= date(2007, 3, 1))["log_return"].to_numpy()
    variance = next_variance(PERCENT * upto, p)[-1]
    scale = np.sqrt(variance * (p.nu - 2) / p.nu)
    expected = stats.t.ppf(LEVELS, p.nu, loc=p.mu, scale=scale) / PERCENT
    np.testing.assert_allclose(forecast.quantiles[0, 0], expected)
    np.testing.assert_allclose(forecast.mean[0], p.mu * np.array([1, 5, 21]) / PERCENT)


@pytest.mark.parametrize(("column", "horizon"), [(1, 5), (2, 21)])
def test_simulated_spread_agrees_with_archs_analytic_variance(column: int, horizon: int) -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2007, 1, 3), date(2007, 6, 29))
    ibm = rows[(panel.keys["ticker"].gather(rows) == "IBM").to_numpy()]
    quantiles = model().quantiles(panel, ibm).quantiles[:, column] * PERCENT
    variance = fixed("IBM").forecast(horizon=horizon, start=0).variance.to_numpy().sum(axis=1)
    sessions = panel.daily.filter(ticker="IBM").drop_nulls()["session"].to_numpy()
    at = np.searchsorted(sessions, panel.sample_sessions[ibm])
    # 199 levels leave out half a percent on each side, so they show a little less than all of it.
    ratio = quantiles.std(axis=1) / np.sqrt(variance[at])
    assert 0.9 < ratio.min() <= ratio.max() < 1.02


def test_intervals_widen_after_a_shock() -> None:
    p = GarchParameters(mu=0.0, omega=0.02, alpha=0.1, beta=0.88, nu=6.0)
    calm = np.full(300, 0.5)
    shocked = np.append(calm, -8.0)
    assert next_variance(shocked, p)[-1] > 5 * next_variance(calm, p)[-1]


def test_parameters_of_a_simulated_series_are_recovered() -> None:
    rng = np.random.default_rng(0)
    n, variance, series = 8000, 1.0, []
    for _ in range(n):
        shock = np.sqrt(variance) * rng.standard_t(8) * np.sqrt(6 / 8)
        series.append(0.05 + shock)
        variance = 0.02 + 0.08 * shock**2 + 0.90 * variance
    fitted = fit_parameters(np.array(series))
    assert fitted is not None
    assert fitted.alpha == pytest.approx(0.08, abs=0.025)
    assert fitted.beta == pytest.approx(0.90, abs=0.035)
    assert fitted.nu == pytest.approx(8, abs=2)


def test_constant_prices_have_no_fit() -> None:
    assert fit_parameters(np.zeros(500)) is None


def test_a_ticker_without_convergence_is_unfitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = sample_panel("AAPL", "IBM")
    monkeypatch.setattr("forecasting.models.garch.fit_parameters", lambda _: None)
    model = GarchModel().fit(panel, rows_between(panel, date(2004, 1, 1), CUTOFF))
    assert set(model.unfitted) == {"AAPL", "IBM"}
    assert "did not converge" in model.unfitted["AAPL"]
    assert model.parameters == {}
