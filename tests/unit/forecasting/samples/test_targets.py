from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest
from support.market.adjusted_bars import adjusted_sample

from forecasting.horizons import HORIZONS
from forecasting.samples.targets import compute_targets


def small_bars() -> pl.DataFrame:
    """Two tickers; B has no bar on the 6th."""
    return pl.DataFrame(
        {
            "ticker": ["A", "A", "A", "A", "B", "B", "B"],
            "session": [date(2021, 1, d) for d in (4, 5, 6, 7, 4, 5, 7)],
            "close": [10.0, 11.0, 9.0, 18.0, 1.0, 2.0, 8.0],
        }
    ).with_columns(open=pl.col("close"), high=pl.col("close"), low=pl.col("close"))


def test_targets_of_a_small_frame_have_the_expected_values() -> None:
    targets = compute_targets(small_bars(), horizons=(1, 2))
    assert targets.columns == [
        "ticker",
        "session",
        "log_return_1",
        "realised_variance_1",
        "target_session_1",
        "log_return_2",
        "realised_variance_2",
        "target_session_2",
    ]
    expected_1 = [math.log(1.1), math.log(9 / 11), math.log(2), None]
    assert targets["log_return_1"].to_list() == pytest.approx(
        [*expected_1, math.log(2), math.log(4), None]
    )
    assert targets["log_return_2"].to_list() == pytest.approx(
        [math.log(0.9), math.log(18 / 11), None, None, math.log(8), None, None]
    )


def test_sessions_ahead_are_counted_in_the_bars_of_the_ticker() -> None:
    targets = compute_targets(small_bars(), horizons=(1, 2))
    sixth, seventh = date(2021, 1, 6), date(2021, 1, 7)
    assert targets["target_session_1"].to_list()[1] == sixth
    assert targets.filter(pl.col("ticker") == "B")["target_session_1"].to_list()[1] == seventh


def test_bars_without_a_range_have_the_variance_of_their_log_returns() -> None:
    targets = compute_targets(small_bars(), horizons=(1, 2))
    squared = [math.log(1.1) ** 2, math.log(9 / 11) ** 2, math.log(2) ** 2]
    assert targets["realised_variance_1"].to_list()[:4] == pytest.approx([*squared, None])
    means = [(squared[0] + squared[1]) / 2, (squared[1] + squared[2]) / 2]
    assert targets["realised_variance_2"].to_list()[:4] == pytest.approx([*means, None, None])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_targets_of_the_last_rows_of_every_ticker_are_unknown(horizon: int) -> None:
    targets = compute_targets(adjusted_sample())
    for part in targets.partition_by("ticker"):
        for kind in ("log_return", "realised_variance", "target_session"):
            column = f"{kind}_{horizon}"
            assert part[column].tail(horizon).null_count() == horizon
            assert part[column].null_count() == horizon


def test_a_large_true_fall_of_aapl_is_a_target() -> None:
    targets = compute_targets(adjusted_sample("AAPL"))
    row = targets.row(by_predicate=pl.col("session") == date(2000, 9, 28), named=True)
    assert row["target_session_1"] == date(2000, 9, 29)
    # The profit warning: 53.50 to 25.75 as traded, 51.9 % lower.
    assert math.expm1(row["log_return_1"]) == pytest.approx(25.75 / 53.50 - 1, abs=1e-4)
