from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import ForecastError
from forecasting.distribution.levels import LEVELS
from forecasting.distribution.predictive import PredictiveDistribution, quantile_surface


def normal(mean: float = 0.01, scale: float = 0.02) -> PredictiveDistribution:
    return PredictiveDistribution(mean, scale, LEVELS, stats.norm.ppf(LEVELS))


def test_a_distribution_has_the_quantiles_of_its_levels() -> None:
    expected = stats.norm(0.01, 0.02)
    distribution = normal()
    np.testing.assert_allclose(distribution.quantile(LEVELS), expected.ppf(LEVELS))
    assert distribution.interval(0.99) == pytest.approx(expected.interval(0.99))
    assert distribution.median() == pytest.approx(0.01)
    assert distribution.expected() == pytest.approx(0.01)
    assert distribution.probability_up() == pytest.approx(expected.sf(0), abs=1e-4)
    assert distribution.cdf(0.02) == pytest.approx(expected.cdf(0.02), abs=1e-4)


def test_the_expected_return_includes_the_mean_of_the_residuals() -> None:
    shifted = PredictiveDistribution(0.01, 0.02, LEVELS, stats.norm.ppf(LEVELS) + 0.5)
    assert shifted.expected() == pytest.approx(0.02)


def test_probabilities_are_bounded_by_the_calibrated_levels() -> None:
    assert normal(mean=1.0).probability_up() == pytest.approx(0.995)
    assert normal(mean=-1.0).probability_up() == pytest.approx(0.005)
    with pytest.raises(ForecastError, match=r"levels 0.005 and 0.995, got 0.001"):
        normal().quantile(0.001)


@pytest.mark.parametrize(("mean", "scale"), [(np.nan, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, np.inf)])
def test_a_location_or_scale_that_is_not_valid_is_refused(mean: float, scale: float) -> None:
    with pytest.raises(ForecastError, match="`scale` finite and positive"):
        normal(mean, scale)


def test_a_surface_has_the_quantiles_of_each_distribution() -> None:
    mean, scale, z = np.array([0.0, 0.1]), np.array([1.0, 2.0]), stats.norm.ppf(LEVELS)
    surface = quantile_surface(mean, scale, z)
    for row in range(2):
        single = PredictiveDistribution(mean[row], scale[row], LEVELS, z)
        np.testing.assert_allclose(surface[row], single.quantile(LEVELS))
