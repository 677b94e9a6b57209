"""Conversion of split-adjusted rows into bars as traded."""

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
    types = {name: pl.Float64() for name in ("open", "high", "low", "close", "split", *others)}
    table = {"session": DAYS[:n], **prices, "close": close, "split": split, **others}
    return pl.DataFrame(table, schema_overrides=types)


def bars(table: pl.DataFrame, now: datetime = NOW) -> pl.DataFrame:
    return to_traded_bars(table, {}, ticker="AAA", source="yahoo", now=now)


def test_prices_before_a_split_are_multiplied_and_volume_is_divided() -> None:
    result = bars(rows([10.0, 10.5, 11.0], split=[0.0, 4.0, 0.0], volume=[4000.0, 800.0, 900.0]))

    assert result["close"].to_list() == [40.0, 10.5, 11.0]
    assert result["volume"].to_list() == [1000, 800, 900]
    assert result["split_factor"].to_list() == [1.0, 4.0, 1.0]
    assert result["adj_close"].null_count() == 3


def test_a_reverse_split_is_reversed() -> None:
    result = bars(rows([50.0, 52.0], split=[0.0, 0.1], volume=[120.0, 130.0]))

    assert result["close"].to_list() == [5.0, 52.0]
    assert result["volume"].to_list() == [1200, 130]


def test_a_dividend_is_as_declared() -> None:
    # 0.77 divided by splits of 7 for 1 and 4 for 1, with Yahoo's six decimals.
    result = bars(rows([20.0, 20.1, 20.2], split=[0.0, 7.0, 4.0], dividend=[0.0275, 0.0, 0.0]))

    assert result["dividend"].to_list() == [0.77, 0.0, 0.0]


def test_a_small_dividend_is_not_rounded_to_zero() -> None:
    assert bars(rows([20.0], split=[0.0], dividend=[3e-7]))["dividend"].item() == 3e-7


@given(
    cents=st.lists(st.integers(1, 8_000_000), min_size=1, max_size=5),
    split=st.sampled_from([1.0, 2.0, 3.0, 1.5, 7.0, 28.0, 112.0, 0.1, 1.05]),
)
def test_prices_in_cents_are_restored_from_32_bit_floats(cents: list[int], split: float) -> None:
    # Far above 80,000.00, a 32-bit float does not represent cents.
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


def test_a_split_without_adjusted_prices_raises() -> None:
    with pytest.raises(BarsError, match="lists a split of 2 for 1 of AAA on 2024-06-12, but"):
        bars(rows([80.0, 81.0, 40.2], split=[0.0, 0.0, 2.0]))


def test_an_overnight_fall_is_no_missing_adjustment() -> None:
    assert bars(rows([80.0, 81.0, 60.0], split=[0.0, 0.0, 2.0]))["close"][0] == 160.0


def test_a_split_without_a_later_price_raises_for_a_week() -> None:
    table = rows([80.0, 81.0, None], split=[0.0, 0.0, 2.0])

    with pytest.raises(BarsError, match="try again in a day, or use another provider"):
        bars(table)
    assert bars(table, now=datetime(2024, 7, 1, tzinfo=UTC))["close"].to_list() == [160, 162, None]


def test_a_missing_price_is_null() -> None:
    result = bars(rows([10.0, None, 11.0], split=[0.0, 0.0, 0.0]))

    assert result["close"].to_list() == [10.0, None, 11.0]


@pytest.mark.parametrize("metadata", [{}, {"regularMarketPrice": 10.0}, {"regularMarketTime": NOW}])
def test_a_quote_without_price_or_time_raises(metadata: dict[str, Any]) -> None:
    with pytest.raises(BarsError, match="quote of AAA: the response has no price"):
        to_quote(metadata, ticker="AAA", source="yahoo", requested_at=NOW)


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
        ("WFC.PR.L", "WFC-PL"),
        ("WFC.PRL", "WFC-PL"),
        ("AAC.U", "AAC-UN"),
        ("AAC.WS", "AAC-WT"),
        ("MKC.V", "MKC.V"),
        ("CEZ.PR", "CEZ.PR"),
        ("ABC.T", "ABC-T"),
    ],
)
def test_the_symbol_of_a_ticker(ticker: str, symbol: str) -> None:
    assert symbol_of(ticker) == symbol


@pytest.mark.parametrize(
    ("ticker", "symbol"),
    [("MKC.V", "MKC-V"), ("ABC.L", "ABC-L"), ("AAPL", "AAPL"), ("GRP.PR", "GRP-P")],
)
def test_the_exchange_of_a_ticker_decides_whether_its_last_letter_is_a_share_class(
    ticker: str, symbol: str
) -> None:
    """Regression: McCormick's voting shares were requested from Toronto."""
    assert symbol_of(ticker, "XNYS") == symbol
    assert symbol_of("VOW.F", "XETR") == "VOW.F"
