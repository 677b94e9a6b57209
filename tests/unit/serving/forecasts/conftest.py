"""One model and its forecast table for all tests of a module."""

from __future__ import annotations

import pytest
from support.forecasting.bundles import tiny_bundle
from support.serving.homes import LOOKBACK, sample_snapshot
from support.serving.service_setup import NOW, live_model

from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.models.model_cache import LiveModel


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    folder = tmp_path_factory.mktemp("bundle") / "one"
    return live_model(tiny_bundle(folder, seed=1, lookback=LOOKBACK))


@pytest.fixture(scope="module")
def table(model: LiveModel) -> ForecastTable:
    return build_forecast_table(model, sample_snapshot(), NOW, max_age_sessions=5)
