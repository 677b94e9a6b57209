"""Adjusted returns are those of a holder, wherever `adj_close` is known."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.bars import sample_bars, synthetic_bars, xnys

from market.bars.adjustments import adjust_bars
from market.bars.contract import BAR_SCHEMA, PRICES, validate_bars

SPLITS = (0.05, 0.5, 1.0, 1.0, 1.0, 2.0, 4.0)


@st.composite
def histories(draw: st.DrawFn, ticker: str = "AAA") -> pl.DataFrame:
    """Bars as traded with known actions, and `adj_close` of any base in some of the sessions."""
    n = draw(st.integers(2, 12))
    price, base = draw(st.floats(1e-4, 1e6)), draw(st.floats(1e-3, 1e3))
    moves = draw(st.lists(st.floats(-0.7, 0.7), min_size=n, max_size=n))
    splits = draw(st.lists(st.sampled_from(SPLITS), min_size=n, max_size=n))
    yields = draw(st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.3]), min_size=n, max_size=n))
    known = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    holder = np.concatenate([[0.0], np.cumsum(moves[1:])])
    paid = np.concatenate([[0.0], np.cumsum(np.log1p(yields[1:]))])
    shares = np.cumprod([1.0, *splits[1:]])
    close = price * np.exp(holder - paid) / shares
    adj_close = [
        base * total if is_known else None
        for total, is_known in zip(np.exp(holder), known, strict=True)
    ]
    return (
        synthetic_bars((ticker,), n_sessions=n)
        .with_columns(
            pl.Series("close", close),
            open=pl.Series(close),
            high=pl.Series(close * 1.25),
            low=pl.Series(close * 0.75),
            adj_close=pl.Series(adj_close, dtype=pl.Float64),
            volume=pl.Series(np.arange(1, n + 1) * 1000),
            split_factor=pl.Series(splits),
            dividend=pl.Series(close * yields),
        )
        .select(BAR_SCHEMA.names())
    )


def holder_returns(bars: pl.DataFrame) -> np.ndarray:
    """Return of one share with its dividend, as a factor: s (c + d) / the close before."""
    close, dividend, split = (
        bars[name].to_numpy() for name in ("close", "dividend", "split_factor")
    )
    return split[1:] * (close[1:] + dividend[1:]) / close[:-1]


@given(bars=histories())
def test_adjusted_returns_are_those_of_a_holder(bars: pl.DataFrame) -> None:
    adjusted = adjust_bars(bars)["close"].to_numpy()
    np.testing.assert_allclose(adjusted[1:] / adjusted[:-1], holder_returns(bars), rtol=1e-9)


@given(bars=histories())
def test_known_adjusted_closes_are_kept(bars: pl.DataFrame) -> None:
    known = bars["adj_close"].is_not_null()
    adjusted = adjust_bars(bars).filter(known)["close"]
    np.testing.assert_allclose(adjusted, bars.filter(known)["adj_close"], rtol=1e-12)


@given(bars=histories())
def test_a_bar_keeps_its_shape_and_its_traded_value(bars: pl.DataFrame) -> None:
    adjusted = adjust_bars(bars)
    assert adjusted.null_count().sum_horizontal().item() == 0
    assert adjusted.select("ticker", "session").equals(bars.select("ticker", "session"))
    for name in PRICES:
        shape = adjusted[name] / adjusted["close"]
        np.testing.assert_allclose(shape, bars[name] / bars["close"], rtol=1e-9)
    later = (
        np.cumprod(bars["split_factor"].to_numpy()[::-1])[::-1] / bars["split_factor"].to_numpy()
    )
    np.testing.assert_allclose(adjusted["volume"], bars["volume"] * later, rtol=1e-9)


@given(first=histories("AAA"), second=histories("BBB"))
def test_a_ticker_does_not_change_another(first: pl.DataFrame, second: pl.DataFrame) -> None:
    together = adjust_bars(pl.concat([first, second]))
    assert together.equals(pl.concat([adjust_bars(first), adjust_bars(second)]))


def test_bars_before_the_first_adj_close_continue_it_backward() -> None:
    """Regression: with the fill turned forward, the first known factor invented a fall by half."""
    traded = sample_bars("IBM", start=date(2012, 1, 3), end=date(2012, 1, 31))
    cut = date(2012, 1, 17)
    known = traded.with_columns(
        adj_close=pl.when(pl.col("session") >= cut).then(pl.col("close") * 0.5),
        split_factor=1.0,
        dividend=0.0,
    )
    adjusted = adjust_bars(known)["close"]
    np.testing.assert_allclose(adjusted, 0.5 * traded["close"], rtol=1e-12)


def test_a_gap_between_two_bases_takes_the_next_one() -> None:
    traded = synthetic_bars(("AAA",), n_sessions=4).with_columns(
        *(pl.lit(10.0).alias(name) for name in PRICES),
        adj_close=pl.Series([9.0, None, None, 3.0]),
    )
    assert adjust_bars(traded)["close"].to_list() == pytest.approx([9.0, 3.0, 3.0, 3.0])


@pytest.mark.parametrize("factor", [1e-5, 1e-3, 1e3])
def test_prices_below_one_and_large_prices_are_valid_and_adjusted_alike(factor: float) -> None:
    traded = sample_bars("MSFT", start=date(2004, 10, 1), end=date(2004, 12, 31))
    scaled = traded.with_columns(pl.col(*PRICES, "adj_close") * factor)
    validated = validate_bars(scaled, xnys(), last_session=date(2004, 12, 31))
    assert validated.quarantine.is_empty()
    small, ordinary = adjust_bars(validated.bars), adjust_bars(traded)
    np.testing.assert_allclose(
        small.select(PRICES), factor * ordinary.select(PRICES).to_numpy(), rtol=1e-12
    )
    np.testing.assert_allclose(small["volume"], ordinary["volume"], rtol=1e-9)
