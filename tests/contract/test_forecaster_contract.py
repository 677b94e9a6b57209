"""Contract of every forecaster, on real prices: no look-ahead, repeatable, finite, ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.forecasting.panels import rows_between, sample_panel

from core.errors import PermanentError
from forecasting.distribution.levels import LEVELS
from forecasting.models.base import Member, Reference, Rows
from forecasting.models.forest import ForestConfig, ForestModel
from forecasting.models.garch import GarchConfig, GarchModel
from forecasting.models.linear import LinearModel, StudentModel
from forecasting.models.lstm import LstmConfig, LstmModel
from forecasting.models.naive import NaiveModel
from forecasting.samples.panel import Panel

TICKERS = ("AAPL", "IBM")
FIRST, CUTOFF = date(2004, 1, 2), date(2006, 9, 1)
FORECAST_FROM, LAST_AS_OF = date(2006, 11, 1), date(2007, 3, 1)

MAKERS: dict[str, Callable[[], Any]] = {
    "naive": NaiveModel,
    "garch": lambda: GarchModel(GarchConfig(paths=500), seed=3),
    "linear": LinearModel,
    "student": StudentModel,
    "forest": lambda: ForestModel(ForestConfig(trees=10), seed=3),
    "lstm": lambda: LstmModel(LstmConfig(units=4, epochs=2), seed=3),
}
Fitted = tuple[Member | Reference, Panel, Rows]
pytestmark = pytest.mark.parametrize(
    "name",
    ["naive", "garch", "linear", "student", "forest", pytest.param("lstm", marks=pytest.mark.slow)],
)


@dataclass(frozen=True)
class Forecast:
    mean: np.ndarray
    spread: np.ndarray  # scales (n, H) of a member, or quantiles (n, H, 199) of a reference


@cache
def fitted(
    name: str, *, shaken: bool = False, attempt: int = 0
) -> tuple[Member | Reference, Panel, Rows]:
    """Fit up to the cutoff; `shaken` changes every price after the last as-of session."""
    del attempt  # only part of the cache key
    panel = sample_panel(*TICKERS, shaken_after=LAST_AS_OF if shaken else None)
    model = MAKERS[name]().fit(panel, rows_between(panel, FIRST, CUTOFF))
    sessions = panel.sample_sessions
    is_test = (sessions >= np.datetime64(FORECAST_FROM)) & (sessions <= np.datetime64(LAST_AS_OF))
    return model, panel, np.flatnonzero(is_test)


def forecast(model: Member | Reference, panel: Panel, rows: Rows) -> Forecast:
    if hasattr(model, "scales"):
        scales = model.scales(panel, rows)
        return Forecast(np.zeros_like(scales), scales)
    quantiles = model.quantiles(panel, rows)
    return Forecast(quantiles.mean, quantiles.quantiles)


def assert_same(left: Forecast, right: Forecast) -> None:
    np.testing.assert_array_equal(left.mean, right.mean)
    np.testing.assert_array_equal(left.spread, right.spread)


def test_later_prices_change_no_earlier_forecast(name: str) -> None:
    rows, shaken_rows = fitted(name)[2], fitted(name, shaken=True)[2]
    assert len(rows) > 100
    np.testing.assert_array_equal(rows, shaken_rows)
    assert_same(forecast(*fitted(name)), forecast(*fitted(name, shaken=True)))


def test_the_changed_later_prices_change_later_forecasts(name: str) -> None:
    model, panel, _ = fitted(name)
    _, shaken, _ = fitted(name, shaken=True)
    later = rows_between(panel, date(2007, 6, 1), date(2007, 7, 1))
    if name == "naive":  # it uses no price after the cutoff
        assert not np.allclose(panel.log_returns[later], shaken.log_returns[later])
    else:
        before, after = forecast(model, panel, later), forecast(model, shaken, later)
        assert not np.allclose(before.spread, after.spread, rtol=1e-3)


def test_two_fits_with_one_seed_forecast_the_same(name: str) -> None:
    assert_same(forecast(*fitted(name)), forecast(*fitted(name, attempt=1)))


def test_every_forecast_is_finite_and_in_order(name: str) -> None:
    model, panel, rows = fitted(name)
    result = forecast(model, panel, rows)
    assert model.name == name
    assert result.mean.shape == (len(rows), len(panel.horizons))
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.spread).all()
    if result.spread.ndim == 3:
        assert result.spread.shape[-1] == len(LEVELS)
        assert (np.diff(result.spread, axis=-1) >= 0).all()
    else:
        assert (result.spread > 0).all()


def test_a_forecast_does_not_depend_on_other_rows(name: str) -> None:
    model, panel, rows = fitted(name)
    together, single = forecast(model, panel, rows), forecast(model, panel, rows[40:41])
    np.testing.assert_allclose(single.mean, together.mean[40:41], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(single.spread, together.spread[40:41], rtol=1e-5)


def test_spread_grows_with_the_horizon(name: str) -> None:
    result = forecast(*fitted(name))
    wide = result.spread if result.spread.ndim == 2 else np.ptp(result.spread, axis=-1)
    assert (np.diff(wide.mean(axis=0)) > 0).all()


def test_a_fit_without_samples_is_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="`rows`"):
        MAKERS[name]().fit(sample_panel(*TICKERS), np.array([], dtype=np.int64))
