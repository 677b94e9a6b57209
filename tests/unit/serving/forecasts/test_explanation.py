"""The explanation of a forecast: the parts of its width, and their sum."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from support.serving.homes import TICKERS, sample_snapshot

from serving.forecasts.explanation import describe_volatility
from serving.forecasts.forecast_table import ForecastTable

# Width of the central 80 % of a standard normal distribution, from a table.
NORMAL_WIDTH = 2 * 1.2815516


def volatilities(ticker: str) -> NDArray[np.float32]:
    """Return the EWMA volatility of the sessions in the window of a ticker."""
    snapshot = sample_snapshot()
    column = snapshot.feature_names.index("ewma_volatility")
    values: NDArray[np.float32] = snapshot.windows[snapshot.tickers.index(ticker), :, column]
    return values


@pytest.mark.parametrize("horizon", [1, 5, 21])
@pytest.mark.parametrize("ticker", TICKERS)
def test_the_contributions_add_up_to_the_log_width_of_the_range(
    table: ForecastTable, ticker: str, horizon: int
) -> None:
    forecast = table.explained_forecast(ticker, horizon)
    explanation = forecast.explanation
    assert explanation is not None
    volatility = volatilities(ticker)[-1] * math.sqrt(horizon)
    low, high = forecast.prediction.intervals["80"]
    ratio = math.log(high / low) / (NORMAL_WIDTH * volatility)
    assert explanation.width_ratio == pytest.approx(ratio, rel=1e-5)
    assert sum(explanation.contributions.values()) == pytest.approx(math.log(ratio), abs=1e-5)


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_each_part_is_that_of_its_member_and_the_rest_is_the_calibration(
    table: ForecastTable, horizon: int
) -> None:
    forecast = table.explained_forecast("IBM", horizon)
    assert forecast.explanation is not None
    volatility = volatilities("IBM")[-1] * math.sqrt(horizon)
    parts = dict(forecast.explanation.contributions)
    manifest = table.model.bundle.manifest
    z = np.interp([0.1, 0.9], manifest.quantile_levels, manifest.conformal_quantiles[horizon])
    calibration = math.log((z[1] - z[0]) / NORMAL_WIDTH)
    assert parts.pop("calibration") == pytest.approx(calibration, abs=1e-5)
    assert parts == {
        name: pytest.approx(weight * math.log(forecast.members[name].scale / volatility), abs=1e-5)
        for name, weight in forecast.scale_weights.items()
    }


def test_the_first_statement_gives_the_width_and_its_factors(table: ForecastTable) -> None:
    explanation = table.explained_forecast("IBM", 5).explanation
    assert explanation is not None
    statement = explanation.statements[0]
    stated = re.search(r"over 5 sessions is ([\d.]+) % (wider|narrower)", statement)
    assert stated is not None
    share = float(stated[1]) / 100 * (1 if stated[2] == "wider" else -1)
    assert 1 + share == pytest.approx(explanation.width_ratio, abs=6e-4)
    factors = [float(factor) for factor in re.findall(r" x ([\d.]+\d)", statement)]
    assert len(factors) == len(explanation.contributions)
    assert math.prod(factors) == pytest.approx(explanation.width_ratio, rel=5e-3)


def test_the_volatility_is_that_of_the_ticker(table: ForecastTable) -> None:
    values = volatilities("IBM")
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


@pytest.mark.parametrize("ticker", TICKERS)
def test_agreement_compares_the_scales_of_the_members(table: ForecastTable, ticker: str) -> None:
    forecast = table.explained_forecast(ticker, 5)
    assert forecast.explanation is not None
    scales = {member.scale: name for name, member in forecast.members.items()}
    agreement = forecast.explanation.agreement
    assert agreement.narrowest == scales[min(scales)]
    assert agreement.widest == scales[max(scales)]
    assert agreement.ratio == pytest.approx(max(scales) / min(scales), rel=1e-6)
    assert f"{agreement.ratio:.2f}" in forecast.explanation.statements[1]


def test_a_forecast_without_explanation_has_no_such_field(table: ForecastTable) -> None:
    assert "explanation" not in table.forecast("AAPL", 1).model_dump_json()
    assert "explanation" in table.explained_forecast("AAPL", 1).model_dump_json()
