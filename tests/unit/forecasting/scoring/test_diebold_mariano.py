"""The Diebold-Mariano test, compared with `statsmodels`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.sandwich_covariance import S_hac_simple

from core.errors import ForecastError
from forecasting.scoring.diebold_mariano import diebold_mariano
from forecasting.scoring.long_run import long_run_variance, newey_west_lag


def autocorrelated(n: int, *, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 5)
    return mean + np.convolve(noise, np.ones(6), mode="valid")


@pytest.mark.parametrize("lag", [0, 1, 7, 27])
def test_long_run_variance_equals_statsmodels(lag: int) -> None:
    series = autocorrelated(300)
    centred = (series - series.mean())[:, None]
    expected = S_hac_simple(centred, nlags=lag)[0, 0] / 300
    assert long_run_variance(series, lag) == pytest.approx(expected)


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_the_statistic_is_a_hac_regression_on_a_constant_with_harveys_correction(
    horizon: int,
) -> None:
    series = autocorrelated(400, mean=0.5)
    n, lag = 400, newey_west_lag(400, horizon)
    regression = sm.OLS(series, np.ones(n)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False}
    )
    harvey = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    expected = regression.tvalues[0] * harvey
    found = diebold_mariano(series, np.arange(n), horizon)
    assert found.statistic == pytest.approx(expected)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(expected), n - 1))


def test_the_lag_spans_the_overlap_of_targets() -> None:
    for horizon in (1, 5, 21):
        assert newey_west_lag(1260, horizon) >= horizon - 1


def test_the_test_has_its_nominal_size_with_overlapping_targets() -> None:
    rejections = [
        diebold_mariano(autocorrelated(500, seed=seed), np.arange(500), 6).p_value < 0.05
        for seed in range(300)
    ]
    assert 0.01 < np.mean(rejections) < 0.11


def test_tickers_of_one_session_count_as_one_observation() -> None:
    series = autocorrelated(200, mean=0.3)
    once = diebold_mariano(series, np.arange(200), 1)
    many = diebold_mariano(np.repeat(series, 50), np.repeat(np.arange(200), 50), 1)
    assert many.p_value == pytest.approx(once.p_value)
    assert many.sessions == 200


def test_the_order_of_rows_does_not_change_the_statistic() -> None:
    series, shuffle = autocorrelated(200, mean=0.3), np.random.default_rng(0).permutation(200)
    found = diebold_mariano(series[shuffle], np.arange(200)[shuffle], 5)
    assert found.statistic == pytest.approx(diebold_mariano(series, np.arange(200), 5).statistic)


def test_a_better_forecast_is_significant_with_a_negative_sign() -> None:
    found = diebold_mariano(autocorrelated(500, mean=-2.0), np.arange(500), 5)
    assert found.difference < 0
    assert found.statistic < 0
    assert found.p_value < 1e-3
    assert found.p_greater > 0.99
    assert found.difference < found.upper_bound() < 0


def test_the_upper_bound_inverts_the_one_sided_test() -> None:
    series = autocorrelated(500, mean=0.2)
    found = diebold_mariano(series, np.arange(500), 5)
    at_bound = diebold_mariano(series - found.upper_bound(0.95), np.arange(500), 5)
    assert at_bound.p_greater == pytest.approx(0.95)


@pytest.mark.parametrize("series", [np.zeros(100), np.ones(3)])
def test_without_variation_or_sessions_there_is_no_p_value(series: np.ndarray) -> None:
    assert diebold_mariano(series, np.arange(len(series)), 5).p_value is None


@pytest.mark.parametrize(("difference", "p_greater"), [(-0.01, 1.0), (0.0, 1.0), (0.01, 0.0)])
def test_a_constant_differential_decides_without_a_statistic(
    difference: float, p_greater: float
) -> None:
    found = diebold_mariano(np.full(100, difference), np.arange(100), 5)
    assert found.statistic is None
    assert found.p_greater == p_greater


def test_too_few_sessions_give_nan() -> None:
    found = diebold_mariano(np.array([1.0, 2.0]), np.arange(2), 5)
    assert math.isnan(found.p_greater)
    assert math.isnan(found.upper_bound())


def test_an_empty_differential_is_refused() -> None:
    with pytest.raises(ForecastError, match="`differential`"):
        diebold_mariano(np.array([]), np.array([]), 1)
