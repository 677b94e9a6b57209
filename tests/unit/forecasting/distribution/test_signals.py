from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from core.errors import ForecastError
from forecasting.distribution.conformal import PredictiveDistribution
from forecasting.distribution.levels import LEVELS
from forecasting.distribution.signals import derive_signal, direction_of, signal_of

NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def normal(mean: float, scale: float) -> PredictiveDistribution:
    return PredictiveDistribution(mean, scale, LEVELS, NORMAL)


def test_a_normal_forecast_gives_the_textbook_price_target_and_intervals() -> None:
    outlook = derive_signal(normal(0.01, 0.02), 100.0)
    assert outlook.price_target == pytest.approx(100 * math.exp(0.01))
    assert outlook.expected_return == pytest.approx(math.exp(0.01) - 1)
    # Phi(0.5), and the two-sided normal quantiles, from any table.
    assert outlook.probability_up == pytest.approx(0.6915, abs=2e-3)
    for coverage, z in (("80", 1.2816), ("95", 1.9600), ("99", 2.5758)):
        low, high = outlook.intervals[coverage]
        assert low == pytest.approx(100 * math.exp(0.01 - z * 0.02), rel=2e-4)
        assert high == pytest.approx(100 * math.exp(0.01 + z * 0.02), rel=2e-4)
    assert (outlook.direction, outlook.signal) == ("bullish", "BUY")
    assert outlook.confidence == outlook.probability_up


def test_price_target_and_probability_never_disagree() -> None:
    for mean in np.linspace(-0.03, 0.03, 61):
        outlook = derive_signal(normal(float(mean), 0.02), 50.0)
        if outlook.expected_return > 1e-9:
            assert outlook.probability_up >= 0.5
        if outlook.expected_return < -1e-9:
            assert outlook.probability_up <= 0.5
        assert 0.5 <= outlook.confidence <= 1


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
def test_the_bounds_of_a_direction_belong_to_it(probability: float, direction: str) -> None:
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
def test_a_trade_must_be_likely_to_win_and_worth_its_cost(
    direction: str, expected_return: float, signal: str
) -> None:
    assert signal_of(direction, expected_return) == signal  # type: ignore[arg-type]


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ForecastError, match="`price` must be positive and finite"):
        derive_signal(normal(0.0, 0.01), price)
