"""Targets and scales in units of the volatility."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from support.forecasting.panels import rows_between, sample_panel
from support.market.adjusted_bars import adjusted_sample

from core.errors import ForecastError
from forecasting.models.z_space import fitting_targets, scales_of


def test_targets_are_the_log_of_the_realised_volatility_of_the_next_sessions() -> None:
    """One target is recomputed from prices with formulas that are written out here."""
    panel = sample_panel("AAPL", "IBM")
    (row,) = rows_between(panel, date(2007, 3, 1), date(2007, 3, 1))[:1]
    bars = adjusted_sample("AAPL").to_dicts()
    at = next(i for i, bar in enumerate(bars) if bar["session"] == date(2007, 3, 1))
    variances = []
    for before, bar in zip(bars[at : at + 5], bars[at + 1 : at + 6], strict=True):
        gap = np.log(bar["open"] / before["close"])
        high_low, open_close = np.log([bar["high"] / bar["low"], bar["close"] / bar["open"]])
        range_ = 0.5 * high_low**2 - (2 * np.log(2) - 1) * open_close**2
        variances.append(gap**2 + max(range_, 0))
    ratio = np.mean(variances) / panel.volatility[row] ** 2
    found = fitting_targets(panel, np.array([row]))[0, 1]
    assert found == pytest.approx(0.5 * np.log(ratio + 0.0025), abs=1e-9)


def test_log_scales_are_bounded() -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = np.arange(2)
    unit = panel.volatility[rows][:, None] * np.sqrt([1, 5, 21])
    scales = scales_of(np.array([[9.0, -9.0, 0.5]] * 2), panel, rows)
    np.testing.assert_allclose(scales, np.exp([3.0, -3.0, 0.5]) * unit)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_failed_fit_is_no_forecast(bad: float) -> None:
    panel = sample_panel("AAPL", "IBM")
    with pytest.raises(ForecastError, match="the fit failed"):
        scales_of(np.array([[0.0, bad, 0.0]]), panel, np.array([0]))
