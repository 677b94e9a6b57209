"""The base of `adj_close`, when a dividend lies in the shared sessions."""

from __future__ import annotations

import polars as pl
import pytest
from support.market.bars import synthetic_bars

from market.bars.adjustments import adjust_bars
from market.bars.contract import PRICES
from market.ingest.joining.reconcile import reconcile_bars

CLOSE = (100.0, 100.0, 98.0, 98.0, 49.0)
# A dividend of 2 in session 2, which the stored values do not contain yet, and no other event.
WITH_DIVIDEND = (98.0, 98.0, 98.0, 98.0, 49.0)


def bars(adj_close: tuple[float, ...], *, first: int, last: int) -> pl.DataFrame:
    frame = synthetic_bars(("AAA",), n_sessions=len(CLOSE)).with_columns(
        *(pl.Series(name, CLOSE) for name in PRICES),
        adj_close=pl.Series(adj_close),
        split_factor=pl.lit(None, pl.Float64),
        dividend=pl.lit(None, pl.Float64),
    )
    return frame[first : last + 1]


@pytest.mark.parametrize("base", [1.0, 0.25])
def test_new_sessions_continue_from_the_last_shared_session_over_a_dividend(base: float) -> None:
    """Regression: the base of the first shared session added the dividend to the first return."""
    stored = bars(CLOSE, first=0, last=3)
    scaled = tuple(base * value for value in WITH_DIVIDEND)
    reconciled = reconcile_bars(stored, bars(scaled, first=1, last=4), tolerance=0.005)

    assert reconciled.new.len() == 1
    merged = pl.concat([stored.head(1), reconciled.bars])
    # The last price is half of the one before, in every base.
    adj_close = merged["adj_close"].to_list()
    assert adj_close == pytest.approx([100.0, 100.0, 98.0, 98.0, 49.0])
    closes = adjust_bars(merged)["close"]
    assert closes[4] / closes[3] == pytest.approx(0.5)
