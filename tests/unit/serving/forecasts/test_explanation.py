"""The explanation of a forecast: its parts, and their sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.serving.homes import TICKERS, sample_snapshot

from serving.forecasts.explanation import describe_volatility
from serving.forecasts.forecast_table import ForecastTable


@pytest.mark.parametrize("horizon", [1, 5, 21])
@pytest.mark.parametrize("ticker", TICKERS)
def test_the_contributions_add_up_to_the_price_target(
    table: ForecastTable, ticker: str, horizon: int
) -> None:
    forecast = table.explained_forecast(ticker, horizon)
    explanation = forecast.explanation
    assert explanation is not None
    to_target = math.log(forecast.prediction.price_target / forecast.current_price)
    assert explanation.log_return == pytest.approx(to_target, abs=1e-6)
    assert sum(explanation.contributions.values()) == pytest.approx(to_target, abs=1e-6)
    forest = math.log1p(forecast.members["forest"].expected_return) * forecast.weights["forest"]
    assert explanation.contributions["forest"] == pytest.approx(forest, rel=1e-4)


def test_the_volatility_is_that_of_the_ticker(table: ForecastTable) -> None:
    snapshot = sample_snapshot()
    column = snapshot.feature_names.index("ewma_volatility")
    values = snapshot.windows[snapshot.tickers.index("IBM"), :, column]
    explanation = table.explained_forecast("IBM", 1).explanation
    assert explanation is not None
    assert explanation.volatility.current == pytest.approx(float(values[-1]), rel=1e-6)
    assert explanation.volatility.sessions == len(values)


@pytest.mark.parametrize(
    ("last", "regime"), [(0.02, "turbulent"), (0.011, "normal"), (0.007, "calm")]
)
def test_the_regime_compares_with_the_median(last: float, regime: str) -> None:
    values = np.array([0.01, 0.01, 0.01, last], np.float32)
    volatility = describe_volatility(values)
    assert volatility.regime == regime
    assert volatility.ratio == pytest.approx(last / 0.01, rel=1e-5)


def test_members_that_disagree_are_named_as_such(table: ForecastTable) -> None:
    for ticker in TICKERS:
        forecast = table.explained_forecast(ticker, 5)
        returns = [member.expected_return for member in forecast.members.values()]
        assert forecast.explanation is not None
        agree = forecast.explanation.agreement.same_direction
        assert agree == (min(returns) > 0 or max(returns) <= 0)
        assert ("disagree" in forecast.explanation.statements[1]) != agree


def test_a_forecast_without_explanation_has_no_such_field(table: ForecastTable) -> None:
    assert "explanation" not in table.forecast("AAPL", 1).model_dump_json()
    assert "explanation" in table.explained_forecast("AAPL", 1).model_dump_json()
