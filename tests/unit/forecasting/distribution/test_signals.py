from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from core.errors import ForecastError
from forecasting.distribution.levels import LEVELS
from forecasting.distribution.predictive import PredictiveDistribution
from forecasting.distribution.signals import derive_signal, direction_of, signal_of

NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def normal(mean: float, scale: float) -> PredictiveDistribution:
    return PredictiveDistribution(mean, scale, LEVELS, NORMAL)


def test_a_normal_forecast_gives_the_textbook_price_target_and_intervals() -> None:
    result = derive_signal(normal(0.01, 0.02), 100.0)
    assert result.price_target == pytest.approx(100 * math.exp(0.01))
    assert result.expected_return == pytest.approx(math.exp(0.01) - 1)
    # Phi(0.5) and the two-sided normal quantiles, from a table of the normal distribution.
    assert result.probability_up == pytest.approx(0.6915, abs=2e-3)
    for coverage, z in (("80", 1.2816), ("95", 1.9600), ("99", 2.5758)):
        low, high = result.intervals[coverage]
        assert low == pytest.approx(100 * math.exp(0.01 - z * 0.02), rel=2e-4)
        assert high == pytest.approx(100 * math.exp(0.01 + z * 0.02), rel=2e-4)
    assert (result.direction, result.signal) == ("bullish", "BUY")
    assert result.confidence == result.probability_up


def test_price_target_and_probability_agree() -> None:
    for mean in np.linspace(-0.03, 0.03, 61):
        result = derive_signal(normal(float(mean), 0.02), 50.0)
        if result.expected_return > 1e-9:
            assert result.probability_up >= 0.5
        if result.expected_return < -1e-9:
            assert result.probability_up <= 0.5
        assert 0.5 <= result.confidence <= 1


@pytest.mark.parametrize(
    ("probability", "direction"),
    [
        (0.55, "bullish"),
        (0.549, "neutral"),
        (0.5, "neutral"),
        (0.451, "neutral"),
        (0.45, "bearish"),
    ],
)
def test_the_bounds_of_a_direction_are_included(probability: float, direction: str) -> None:
    assert direction_of(probability) == direction


@pytest.mark.parametrize(
    ("direction", "expected_return", "signal"),
    [
        ("bullish", 0.0011, "BUY"),
        ("bullish", 0.0010, "HOLD"),
        ("bullish", -0.02, "HOLD"),
        ("neutral", 0.02, "HOLD"),
        ("bearish", -0.0011, "SELL"),
        ("bearish", -0.0009, "HOLD"),
    ],
)
def test_a_trade_needs_a_direction_and_a_return_above_its_cost(
    direction: str, expected_return: float, signal: str
) -> None:
    assert signal_of(direction, expected_return) == signal  # type: ignore[arg-type]


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_not_positive_and_finite_is_refused(price: float) -> None:
    with pytest.raises(ForecastError, match="`price` must be positive and finite"):
        derive_signal(normal(0.0, 0.01), price)
