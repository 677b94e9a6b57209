from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from support.forecasting.panels import rows_between, sample_panel

from core.errors import ForecastError
from forecasting.distribution.conformal import conformal_quantiles
from forecasting.distribution.levels import LEVELS
from forecasting.models.naive import NaiveModel

CUTOFF = date(2006, 9, 1)


def test_quantiles_are_those_of_past_returns_around_no_change() -> None:
    panel = sample_panel("AAPL", "IBM")
    model = NaiveModel().fit(panel, rows_between(panel, date(2004, 1, 1), CUTOFF))
    rows = rows_between(panel, date(2007, 1, 3), date(2007, 1, 3))
    forecast = model.quantiles(panel, rows)
    daily = panel.daily.filter(ticker="IBM").filter(pl.col("session") <= CUTOFF)["log_return"]
    over_five = daily.drop_nulls().rolling_sum(5).drop_nulls().to_numpy()
    expected = conformal_quantiles(over_five - np.median(over_five), LEVELS)
    np.testing.assert_allclose(forecast.quantiles[1, 1], expected, atol=1e-12)
    assert not forecast.mean.any()
    np.testing.assert_allclose(forecast.quantiles[:, :, 99], 0, atol=1e-12)


def test_a_ticker_with_less_than_a_year_is_unfitted() -> None:
    panel = sample_panel("GOOG", "IBM")  # GOOG trades from 2004-08-19
    cutoff = date(2005, 3, 1)
    model = NaiveModel().fit(panel, rows_between(panel, date(2004, 1, 1), cutoff))
    returns = panel.daily.filter(ticker="GOOG").filter(pl.col("session") <= cutoff)
    assert model.unfitted == {
        "GOOG": f"has {returns.height - 1} sessions with a log return up to the cutoff; 252 needed"
    }
    with pytest.raises(ForecastError, match="'GOOG', which was not fitted: it has"):
        model.quantiles(panel, rows_between(panel, date(2005, 4, 1), date(2005, 5, 1)))
