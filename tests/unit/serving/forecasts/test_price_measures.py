"""Measures of closes, against pandas on real prices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.serving.homes import TICKERS, sample_snapshot

from forecasting.price_history import PRICE, PriceSeries, unpack_prices
from serving.forecasts import price_measures
from serving.forecasts.price_measures import (
    UniverseReturns,
    measure_averages,
    measure_drawdown,
    measure_range,
    measure_returns,
    measure_volatility,
)

FIRST = np.datetime64("2012-01-02")


def closes_of(ticker: str) -> pd.Series:
    snapshot = sample_snapshot()
    assert snapshot.prices is not None
    series = unpack_prices(snapshot.prices[snapshot.tickers.index(ticker)])
    return pd.Series(series.closes, series.sessions)


def series_of(closes: pd.Series) -> PriceSeries:
    return PriceSeries(closes.index.to_numpy().astype("datetime64[D]"), closes.to_numpy())


def test_spans_and_range_count_sessions() -> None:
    closes = np.arange(1.0, 301.0)
    expected = {"1w": 5, "1m": 21, "3m": 63, "6m": 126, "1y": 252}
    for name, sessions in expected.items():
        assert measure_returns(closes)[name] == pytest.approx(300 / (300 - sessions) - 1, rel=1e-6)
    # A range of a year has 252 closes.
    assert (measure_range(closes).low, measure_range(closes).high) == (49.0, 300.0)


@pytest.mark.parametrize("ticker", TICKERS)
def test_volatility_and_drawdown_agree_with_pandas(ticker: str) -> None:
    closes = closes_of(ticker)
    rolling = np.log(closes).diff().rolling(21).std().dropna() * np.sqrt(252)
    volatility = measure_volatility(closes.to_numpy())
    assert volatility is not None
    assert volatility.annualised == pytest.approx(rolling.iloc[-1], rel=1e-6)
    assert volatility.rank == pytest.approx((rolling <= rolling.iloc[-1]).mean(), rel=1e-6)
    falls = closes / closes.cummax() - 1
    drawdown = measure_drawdown(series_of(closes))
    assert drawdown.current == pytest.approx(falls.iloc[-1], rel=1e-6)
    assert drawdown.maximum == pytest.approx(falls.min(), rel=1e-6)
    assert drawdown.peak_session == closes.idxmax().date()


def test_the_averages_and_returns_of_a_short_history_are_null() -> None:
    closes = closes_of("IBM").to_numpy()[-100:]
    averages, returns = measure_averages(closes), measure_returns(closes)
    assert averages["50"] == pytest.approx(closes[-50:].mean(), rel=1e-6)
    assert averages["200"] is None
    assert returns["1m"] == pytest.approx(closes[-1] / closes[-22] - 1, rel=1e-5)
    assert returns["1y"] is None
    assert measure_volatility(closes[:21]) is None
    assert measure_range(closes).high == pytest.approx(closes.max(), rel=1e-6)


@pytest.mark.parametrize("ticker", TICKERS)
def test_beta_and_correlation_are_those_with_the_mean_of_the_others(ticker: str) -> None:
    snapshot = sample_snapshot()
    assert snapshot.prices is not None
    returns = np.log(pd.DataFrame({t: closes_of(t) for t in TICKERS})).diff().dropna()
    market = returns.drop(columns=ticker).mean(axis=1)
    exposure = UniverseReturns.of_prices(snapshot.prices).exposure(series_of(closes_of(ticker)))
    assert exposure is not None
    assert exposure.beta == pytest.approx(np.polyfit(market, returns[ticker], 1)[0], rel=1e-4)
    assert exposure.correlation == pytest.approx(market.corr(returns[ticker]), rel=1e-4)
    assert (exposure.sessions, exposure.tickers) == (len(returns), len(TICKERS) - 1)


def pack(*closes: list[float]) -> np.ndarray:
    prices = np.zeros((len(closes), len(closes[0])), PRICE)
    prices["session"] = np.arange(len(closes[0])) + FIRST.astype(int)
    prices["close"] = closes
    return prices


@pytest.mark.parametrize(
    "others",
    [[], [[5.0] * 100], [[np.nan] * 60 + [5.0 + i % 3 for i in range(40)]]],
    ids=["alone", "constant", "too-short"],
)
def test_without_a_market_there_is_no_exposure(others: list[list[float]]) -> None:
    prices = pack([10.0 + i % 7 for i in range(100)], *others)
    own = unpack_prices(prices[0])
    assert UniverseReturns.of_prices(prices).exposure(own) is None


def test_blocks_do_not_change_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = sample_snapshot().prices
    assert prices is not None
    whole = UniverseReturns.of_prices(prices)
    monkeypatch.setattr(price_measures, "_BLOCK", 3)
    blocks = UniverseReturns.of_prices(prices)
    np.testing.assert_allclose(blocks.total, whole.total, atol=1e-12)
    np.testing.assert_array_equal(blocks.count, whole.count)


def test_a_missing_session_is_left_out_of_the_market() -> None:
    first, second = [10.0 + i % 7 for i in range(100)], [20.0 + i % 5 for i in range(100)]
    second[50] = np.nan
    prices = pack(first, second)
    exposure = UniverseReturns.of_prices(prices).exposure(unpack_prices(prices[0]))
    assert exposure is not None
    assert exposure.sessions == 97
