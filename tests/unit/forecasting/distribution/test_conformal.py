from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.distribution.conformal import (
    OUTCOMES_FOR_HALF,
    calibrate,
    conformal_quantiles,
)
from forecasting.distribution.levels import LEVELS


def test_ranks_are_those_of_split_conformal_prediction() -> None:
    # 199 residuals 1..199: (n + 1) p is a whole number at every level.
    np.testing.assert_allclose(conformal_quantiles(np.arange(1.0, 200.0), LEVELS), 200 * LEVELS)


def test_ranks_between_whole_numbers_are_rounded_outwards() -> None:
    # (99 + 1) p: 2.5 is rounded down to rank 2, 97.5 is rounded up to 98, and the median is 50.
    quantiles = conformal_quantiles(np.arange(1.0, 100.0), [0.025, 0.5, 0.975])
    np.testing.assert_array_equal(quantiles, [2, 50, 98])


def test_the_median_of_an_even_number_of_residuals_is_the_mean_of_the_middle_two() -> None:
    assert conformal_quantiles(np.arange(1.0, 101.0), [0.4, 0.5, 0.6])[1] == 50.5


def test_intervals_have_at_least_their_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    draws = rng.standard_t(4, size=(4000, 61))
    inside = []
    for residuals in draws:
        low, high = conformal_quantiles(residuals[:-1], [0.1, 0.9])
        inside.append(low <= residuals[-1] <= high)
    # The rank of the last draw is uniform on 1 to 61. Ranks 6 to 55 of 60 enclose 49 of 61 gaps.
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


def test_too_few_residuals_are_refused_with_a_fix() -> None:
    with pytest.raises(NotEnoughHistoryError, match=r"at least 30 .* got 12; raise `test_size`"):
        conformal_quantiles(np.zeros(12), LEVELS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_residuals_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ForecastError, match="`residuals` must be finite"):
        conformal_quantiles(np.append(np.zeros(50), bad), LEVELS)


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [0.6, 0.5]])
def test_levels_that_do_not_ascend_between_zero_and_one_are_refused(levels: list[float]) -> None:
    with pytest.raises(ForecastError, match="`levels` must ascend"):
        conformal_quantiles(np.zeros(50), levels)


def test_calibration_removes_the_mean_and_half_of_the_skewness() -> None:
    skewed = np.random.default_rng(2).gamma(2.0, size=999)
    quantiles = calibrate({1: skewed}, {1: 999}, LEVELS)[1]
    shifted = calibrate({1: skewed + 5}, {1: 999}, LEVELS)[1]
    np.testing.assert_allclose(quantiles, shifted)
    assert quantiles.mean() == pytest.approx(0, abs=1e-12)
    own = conformal_quantiles(skewed - skewed.mean(), LEVELS)
    asymmetry = quantiles + quantiles[::-1]
    expected = (own + own[::-1]) / 2
    np.testing.assert_allclose(asymmetry, expected - expected.mean(), atol=1e-9)
    np.testing.assert_allclose(quantiles - quantiles[::-1], own - own[::-1], atol=1e-9)


def test_a_longer_horizon_is_shrunk_to_the_shortest_by_its_number_of_outcomes() -> None:
    rng = np.random.default_rng(3)
    residuals = {1: rng.normal(size=1000), 21: 3 * rng.normal(size=1000)}
    sessions = {1: 21 * OUTCOMES_FOR_HALF, 21: 21 * OUTCOMES_FOR_HALF}
    own = {h: calibrate({h: z}, sessions, LEVELS)[h] for h, z in residuals.items()}
    quantiles = calibrate(residuals, sessions, LEVELS)
    np.testing.assert_array_equal(quantiles[1], own[1])
    np.testing.assert_allclose(quantiles[21], (own[1] + own[21]) / 2)
