"""Yahoo's rows, adjusted for splits, become bars as traded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BarsError
from market.providers.yahoo.parsing import to_quote, to_traded_bars
from market.providers.yahoo.provider import symbol_of

NOW = datetime(2024, 6, 14, 21, tzinfo=UTC)
DAYS = [date(2024, 6, day) for day in (10, 11, 12, 13, 14)]


def rows(close: list[float | None], *, split: list[float], **columns: list[Any]) -> pl.DataFrame:
    prices = {name: columns.pop(name, close) for name in ("open", "high", "low")}
    n = len(close)
    others = {"volume": [1000.0] * n, "dividend": [0.0] * n} | columns
    kinds = {name: pl.Float64() for name in ("open", "high", "low", "close", "split", *others)}
    table = {"session": DAYS[:n], **prices, "close": close, "split": split, **others}
    return pl.DataFrame(table, schema_overrides=kinds)


def bars(table: pl.DataFrame, now: datetime = NOW) -> pl.DataFrame:
    return to_traded_bars(table, {}, ticker="AAA", source="yahoo", now=now)


def test_prices_before_a_split_are_multiplied_and_volume_is_divided() -> None:
    found = bars(rows([10.0, 10.5, 11.0], split=[0.0, 4.0, 0.0], volume=[4000.0, 800.0, 900.0]))

    assert found["close"].to_list() == [40.0, 10.5, 11.0]
    assert found["volume"].to_list() == [1000, 800, 900]
    assert found["split_factor"].to_list() == [1.0, 4.0, 1.0]
    assert found["adj_close"].null_count() == 3


def test_a_reverse_split_is_undone_too() -> None:
    found = bars(rows([50.0, 52.0], split=[0.0, 0.1], volume=[120.0, 130.0]))

    assert found["close"].to_list() == [5.0, 52.0]
    assert found["volume"].to_list() == [1200, 130]


def test_a_dividend_is_told_as_it_was_declared() -> None:
    # 0.77 before a split of 7 for 1 and one of 4 for 1, in the six decimals that Yahoo sends.
    found = bars(rows([20.0, 20.1, 20.2], split=[0.0, 7.0, 4.0], dividend=[0.0275, 0.0, 0.0]))

    assert found["dividend"].to_list() == [0.77, 0.0, 0.0]


def test_a_dividend_that_is_not_zero_never_becomes_zero() -> None:
    assert bars(rows([20.0], split=[0.0], dividend=[3e-7]))["dividend"].item() == 3e-7


@given(
    cents=st.lists(st.integers(1, 8_000_000), min_size=1, max_size=5),
    split=st.sampled_from([1.0, 2.0, 3.0, 1.5, 7.0, 28.0, 112.0, 0.1, 1.05]),
)
def test_prices_in_cents_survive_the_way_through_32_bits(cents: list[int], split: float) -> None:
    # Much above 80,000.00, 32 bits do not hold a cent.
    traded = np.array(cents) / 100
    sent = (traded / split).astype(np.float32).astype(np.float64)
    last = float(sent[-1])
    table = pl.DataFrame(
        {
            "session": [*(date(2024, 1, 1 + i) for i in range(len(cents))), date(2024, 2, 1)],
            **{name: [*sent, last] for name in ("open", "high", "low", "close")},
            "split": [0.0] * len(cents) + [split],
            "volume": 0.0,
            "dividend": 0.0,
        }
    )

    assert bars(table)["close"].to_list()[:-1] == traded.tolist()


def test_a_split_that_prices_are_not_adjusted_for_yet_is_refused() -> None:
    with pytest.raises(BarsError, match="lists a split of 2 for 1 of AAA on 2024-06-12, but"):
        bars(rows([80.0, 81.0, 40.2], split=[0.0, 0.0, 2.0]))


def test_a_fall_over_night_is_no_missing_adjustment() -> None:
    assert bars(rows([80.0, 81.0, 60.0], split=[0.0, 0.0, 2.0]))["close"][0] == 160.0


def test_a_split_ahead_of_its_first_price_is_refused_for_a_week() -> None:
    table = rows([80.0, 81.0, None], split=[0.0, 0.0, 2.0])

    with pytest.raises(BarsError, match="ask again in a day, or another provider"):
        bars(table)
    assert bars(table, now=datetime(2024, 7, 1, tzinfo=UTC))["close"].to_list() == [160, 162, None]


def test_what_yahoo_does_not_know_is_null() -> None:
    found = bars(rows([10.0, None, 11.0], split=[0.0, 0.0, 0.0]))

    assert found["close"].to_list() == [10.0, None, 11.0]


@pytest.mark.parametrize("told", [{}, {"regularMarketPrice": 10.0}, {"regularMarketTime": NOW}])
def test_a_quote_without_price_or_time_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(BarsError, match="quote of AAA: it has no price"):
        to_quote(told, ticker="AAA", source="yahoo", requested_at=NOW)


@pytest.mark.parametrize(
    ("ticker", "symbol"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK-B"),
        ("AZN.L", "AZN.L"),
        ("7203.T", "7203.T"),
        ("005930.KS", "005930.KS"),
        ("^GSPC", "^GSPC"),
        ("EURUSD=X", "EURUSD=X"),
        ("BTC-USD", "BTC-USD"),
    ],
)
def test_tickers_are_spelled_as_yahoo_does(ticker: str, symbol: str) -> None:
    assert symbol_of(ticker) == symbol
