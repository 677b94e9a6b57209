from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.distribution.conformal import (
    OUTCOMES_FOR_HALF,
    PredictiveDistribution,
    calibrate,
    conformal_quantiles,
    quantile_surface,
)
from forecasting.distribution.levels import LEVELS


def test_ranks_are_those_of_split_conformal_prediction() -> None:
    # 199 residuals 1..199: (n + 1) p is a whole number at every level.
    np.testing.assert_allclose(conformal_quantiles(np.arange(1.0, 200.0), LEVELS), 200 * LEVELS)


def test_ranks_between_whole_numbers_are_taken_outwards() -> None:
    # (99 + 1) p: 2.5 goes down to rank 2, 97.5 up to 98, and the median is the middle one.
    quantiles = conformal_quantiles(np.arange(1.0, 100.0), [0.025, 0.5, 0.975])
    np.testing.assert_array_equal(quantiles, [2, 50, 98])


def test_an_even_number_of_residuals_has_its_median_in_the_middle() -> None:
    assert conformal_quantiles(np.arange(1.0, 101.0), [0.4, 0.5, 0.6])[1] == 50.5


def test_intervals_cover_a_further_outcome_at_least_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    draws = rng.standard_t(4, size=(4000, 61))
    inside = []
    for residuals in draws:
        low, high = conformal_quantiles(residuals[:-1], [0.1, 0.9])
        inside.append(low <= residuals[-1] <= high)
    # 61 ranks are equally likely for the last draw; ranks 6 to 55 of 60 enclose 49 gaps of 61.
    expected = 49 / 61
    assert expected >= 0.8
    assert np.mean(inside) == pytest.approx(expected, abs=0.02)


def test_missing_ranks_are_extended_like_a_student_t_with_four_degrees() -> None:
    n = 99
    sample = stats.t.ppf(np.arange(1, n + 1) / (n + 1), 4)
    np.testing.assert_allclose(
        conformal_quantiles(sample, LEVELS)[[0, -1]], stats.t.ppf([0.005, 0.995], 4), rtol=1e-9
    )


@given(
    st.lists(st.floats(-50, 50, allow_subnormal=False), min_size=30, max_size=250),
)
def test_quantiles_never_fall(residuals: list[float]) -> None:
    assert (np.diff(conformal_quantiles(residuals, LEVELS)) >= -1e-12).all()


def test_order_of_residuals_does_not_matter() -> None:
    residuals = np.random.default_rng(1).normal(size=300)
    np.testing.assert_array_equal(
        conformal_quantiles(residuals, LEVELS), conformal_quantiles(residuals[::-1], LEVELS)
    )


def test_too_few_residuals_are_refused_with_the_way_out() -> None:
    with pytest.raises(NotEnoughHistoryError, match=r"at least 30 .* got 12; raise `test_size`"):
        conformal_quantiles(np.zeros(12), LEVELS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_residuals_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ForecastError, match="`residuals` must be finite"):
        conformal_quantiles(np.append(np.zeros(50), bad), LEVELS)


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [0.6, 0.5]])
def test_levels_that_are_none_are_refused(levels: list[float]) -> None:
    with pytest.raises(ForecastError, match="`levels` must ascend"):
        conformal_quantiles(np.zeros(50), levels)


def test_calibration_forgets_where_residuals_lay_but_keeps_their_skew() -> None:
    skewed = np.random.default_rng(2).gamma(2.0, size=999)
    here = calibrate({1: skewed}, {1: 999}, LEVELS)[1]
    there = calibrate({1: skewed + 5}, {1: 999}, LEVELS)[1]
    np.testing.assert_allclose(here, there)
    assert here[99] == pytest.approx(0, abs=1e-12)
    assert here[-1] > -2 * here[0]


def test_a_longer_horizon_leans_on_the_shortest_until_it_has_outcomes_of_its_own() -> None:
    rng = np.random.default_rng(3)
    residuals = {1: rng.normal(size=1000), 21: 3 * rng.normal(size=1000)}
    own = {h: conformal_quantiles(e - np.median(e), LEVELS) for h, e in residuals.items()}
    sessions = {1: 21 * OUTCOMES_FOR_HALF, 21: 21 * OUTCOMES_FOR_HALF}
    quantiles = calibrate(residuals, sessions, LEVELS)
    np.testing.assert_array_equal(quantiles[1], own[1])
    np.testing.assert_allclose(quantiles[21], (own[1] + own[21]) / 2)


def normal(mean: float = 0.01, scale: float = 0.02) -> PredictiveDistribution:
    return PredictiveDistribution(mean, scale, LEVELS, stats.norm.ppf(LEVELS))


def test_a_distribution_gives_back_the_quantiles_of_a_normal() -> None:
    expected = stats.norm(0.01, 0.02)
    distribution = normal()
    np.testing.assert_allclose(distribution.quantile(LEVELS), expected.ppf(LEVELS))
    assert distribution.interval(0.99) == pytest.approx(expected.interval(0.99))
    assert distribution.median() == pytest.approx(0.01)
    assert distribution.expected() == pytest.approx(0.01)
    assert distribution.probability_up() == pytest.approx(expected.sf(0), abs=1e-4)
    assert distribution.cdf(0.02) == pytest.approx(expected.cdf(0.02), abs=1e-4)


def test_the_expected_return_includes_what_calibration_found() -> None:
    shifted = PredictiveDistribution(0.01, 0.02, LEVELS, stats.norm.ppf(LEVELS) + 0.5)
    assert shifted.expected() == pytest.approx(0.02)


def test_nothing_is_claimed_beyond_the_calibrated_levels() -> None:
    assert normal(mean=1.0).probability_up() == pytest.approx(0.995)
    assert normal(mean=-1.0).probability_up() == pytest.approx(0.005)
    with pytest.raises(ForecastError, match=r"between 0.005 and 0.995"):
        normal().quantile(0.001)


@pytest.mark.parametrize(("mean", "scale"), [(np.nan, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, np.inf)])
def test_a_distribution_needs_a_location_and_a_positive_scale(mean: float, scale: float) -> None:
    with pytest.raises(ForecastError, match="`scale` finite and positive"):
        normal(mean, scale)


def test_many_distributions_at_once_equal_each_alone() -> None:
    mean, scale, z = np.array([0.0, 0.1]), np.array([1.0, 2.0]), stats.norm.ppf(LEVELS)
    surface = quantile_surface(mean, scale, z)
    for row in range(2):
        alone = PredictiveDistribution(mean[row], scale[row], LEVELS, z)
        np.testing.assert_allclose(surface[row], alone.quantile(LEVELS))
