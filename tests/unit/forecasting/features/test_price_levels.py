"""Features and targets do not depend on the level of prices, also far below 1."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from support.market.bars import sample_bars

from forecasting.features.feature_set import compute_features, feature_set
from forecasting.samples.panel import build_panel
from market.bars.adjustments import adjust_bars
from market.bars.contract import PRICES


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e4])
def test_features_and_targets_of_cheap_and_dear_tickers_are_the_same(factor: float) -> None:
    """AAPL at 0.0004 or at 4,000,000 has the same samples as at 400."""
    bars = sample_bars("AAPL", start=date(2011, 1, 3), end=date(2012, 6, 29))
    scaled = bars.with_columns(bars[name] * factor for name in (*PRICES, "adj_close"))
    panels = []
    for version in (bars, scaled):
        adjusted = adjust_bars(version)
        table = compute_features(adjusted, feature_set())
        panels.append(build_panel(table, adjusted, lookback=10))
    ordinary, other = panels
    assert len(other) == len(ordinary) > 150
    assert other.skipped.is_empty()
    np.testing.assert_allclose(other.matrix, ordinary.matrix, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(other.log_returns, ordinary.log_returns, atol=1e-9)
    np.testing.assert_allclose(other.volatility, ordinary.volatility, rtol=1e-9)
