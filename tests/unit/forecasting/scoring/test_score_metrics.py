"""Scores, compared with `scoringrules`, `statsmodels` and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scoringrules
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from forecasting.distribution.levels import LEVELS
from forecasting.scoring.direction import direction_accuracy, wilson_interval
from forecasting.scoring.metrics import (
    coverage,
    crps_from_quantiles,
    interval_score,
    mae,
    rmse,
    skill,
)


@pytest.fixture
def outcome() -> np.ndarray:
    return np.random.default_rng(0).standard_t(5, size=200)


@pytest.fixture
def quantiles() -> np.ndarray:
    rng = np.random.default_rng(1)
    mean, scale = rng.normal(size=(200, 1)), rng.uniform(0.5, 2, size=(200, 1))
    return mean + scale * stats.norm.ppf(LEVELS)


def test_crps_equals_scoringrules(outcome: np.ndarray, quantiles: np.ndarray) -> None:
    expected = scoringrules.crps_quantile(outcome, quantiles, LEVELS)
    np.testing.assert_allclose(crps_from_quantiles(outcome, quantiles, LEVELS), expected)


def test_crps_over_199_levels_is_close_to_the_exact_score_of_a_normal(outcome: np.ndarray) -> None:
    standard = np.broadcast_to(stats.norm.ppf(LEVELS), (200, 199))
    exact = scoringrules.crps_normal(outcome, 0.0, 1.0)
    assert crps_from_quantiles(outcome, standard, LEVELS).mean() == pytest.approx(
        exact.mean(), rel=0.01
    )


def test_a_point_mass_at_the_outcome_scores_zero() -> None:
    assert crps_from_quantiles(np.array([0.3]), np.full((1, 199), 0.3), LEVELS)[0] == 0


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_interval_score_equals_scoringrules(
    outcome: np.ndarray, quantiles: np.ndarray, level: float
) -> None:
    low, high = quantiles[:, 20], quantiles[:, -21]
    expected = scoringrules.interval_score(outcome, low, high, 1 - level)
    np.testing.assert_allclose(interval_score(outcome, low, high, level), expected)


def test_the_bounds_of_an_interval_are_included() -> None:
    low, high = np.zeros(4), np.ones(4)
    assert coverage(np.array([0.0, 1.0, 0.5, 1.1]), low, high) == 0.75


def test_errors_of_a_point_forecast() -> None:
    outcome, point = np.array([1.0, -1.0]), np.array([0.0, 2.0])
    assert mae(outcome, point) == 2.0
    assert rmse(outcome, point) == pytest.approx(math.sqrt(5))


def test_skill_is_one_minus_the_ratio_of_scores() -> None:
    assert skill(0.9, 1.0) == pytest.approx(0.1)
    assert skill(0.0, 0.0) is None


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (55, 100), (2513, 5000), (10, 10)])
def test_binomial_interval_equals_statsmodels(hits: int, trials: int) -> None:
    expected = proportion_confint(hits, trials, method="wilson")
    assert wilson_interval(hits, trials) == pytest.approx(expected, abs=1e-12)


def test_rows_without_a_call_or_a_move_are_left_out() -> None:
    outcome = np.array([0.01, -0.02, 0.03, 0.0, 0.01])
    median = np.array([1.0, 1.0, -1.0, 1.0, 0.0])
    found = direction_accuracy(outcome, median)
    assert (found.calls, found.accuracy) == (3, pytest.approx(1 / 3))
    assert found.base_rate == pytest.approx(2 / 3)


def test_a_forecast_without_any_call_has_no_accuracy() -> None:
    found = direction_accuracy(np.array([0.01, -0.02]), np.zeros(2))
    assert found.accuracy is found.low is found.base_rate is None
    assert found.calls == 0


def test_always_calling_a_rise_has_the_accuracy_of_the_base_rate() -> None:
    outcome = np.array([0.01, 0.02, 0.03, -0.01])
    found = direction_accuracy(outcome, np.ones(4))
    assert found.accuracy == found.base_rate == 0.75
