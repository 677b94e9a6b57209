from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.adjusted_bars import adjusted_sample

from forecasting.features.feature_set import compute_features, feature_set

EXPECTED = pl.read_csv(Path(__file__).parent / "features.csv", try_parse_dates=True)
BARS = EXPECTED.select("ticker", "session").unique(maintain_order=True).rows()


@pytest.mark.parametrize(("ticker", "session"), BARS, ids=[f"{t}-{s}" for t, s in BARS])
def test_features_equal_the_textbook_formulas(ticker: str, session: date) -> None:
    row = pl.col("session") == session
    table = compute_features(adjusted_sample(ticker), feature_set())
    values = table.row(by_predicate=row, named=True)
    is_bar = (pl.col("ticker") == ticker) & row
    expected = dict(EXPECTED.filter(is_bar).select("feature", "value").iter_rows())
    assert set(expected) == set(feature_set().names)
    for feature in feature_set().features:
        # TA-Lib starts its averages differently, so the tolerance of the warm-up applies.
        approximate = pytest.approx(expected[feature.name], abs=feature.tolerance)
        assert values[feature.name] == approximate, feature.name
