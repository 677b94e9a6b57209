from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pytest
from support.forecasting.panels import rows_between, sample_panel

from core.errors import ForecastError
from forecasting.models.forest import ForestConfig, ForestModel
from forecasting.models.z_space import fitting_targets


@cache
def model() -> ForestModel:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2004, 1, 1), date(2006, 9, 1))
    return ForestModel(ForestConfig(trees=20), seed=1).fit(panel, rows)


def test_raw_outputs_are_log_scales() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2004, 1, 1), date(2006, 9, 1))
    raw = model().estimator.predict(model().scaler.transform(panel.last(rows)))
    assert raw.shape == (len(rows), 3)
    # Means over leaves equal the means of the sample, up to the bootstrap.
    expected = fitting_targets(panel, rows).mean(axis=0)
    np.testing.assert_allclose(raw.mean(axis=0), expected, atol=0.02)


def test_scales_are_the_raw_outputs_in_the_documented_units() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2007, 1, 3), date(2007, 3, 1))
    raw = model().estimator.predict(model().scaler.transform(panel.last(rows)))
    unit = panel.volatility[rows][:, None] * np.sqrt([1, 5, 21])
    np.testing.assert_allclose(model().scales(panel, rows), np.exp(raw) * unit)


def test_samples_without_known_targets_cannot_be_fitted() -> None:
    panel = sample_panel("AAPL", "IBM")
    with pytest.raises(ForecastError, match="known targets"):
        ForestModel().fit(panel, np.arange(len(panel)))


def test_an_unfitted_forest_raises() -> None:
    with pytest.raises(ForecastError, match="`forest` must be fitted"):
        ForestModel().estimator  # noqa: B018
