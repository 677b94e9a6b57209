"""The analysis of a ticker, and the list of all tickers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.serving.homes import TICKERS, sample_snapshot
from support.serving.service_setup import ServiceSetup

from core.errors import UnknownTickerError
from serving.http.problems import Problem
from serving.routes.market.analysis import analyse
from serving.routes.market.universe import list_tickers


def test_the_analysis_states_the_inputs_of_the_model(service: ServiceSetup) -> None:
    service.go_live()
    analysis = analyse(service.live.require().table, "IBM", with_prices=False)
    snapshot = sample_snapshot()
    assert [indicator.name for indicator in analysis.indicators] == list(snapshot.feature_names)
    values = snapshot.windows[snapshot.tickers.index("IBM"), -1].tolist()
    assert [i.value for i in analysis.indicators] == pytest.approx(values, rel=1e-6)
    assert all(indicator.description for indicator in analysis.indicators)
    assert (analysis.data_age_sessions, str(analysis.as_of)) == (0, "2013-03-01")
    assert "prices" not in analysis.model_dump()


def test_the_last_of_the_prices_is_the_close_as_traded(service: ServiceSetup) -> None:
    service.go_live()
    prices = analyse(service.live.require().table, "AAPL", with_prices=True).prices
    assert prices is not None
    assert (str(prices.sessions[-1]), prices.closes[-1]) == ("2013-03-01", 430.47)
    assert len(prices.sessions) == len(prices.closes) == 251


def test_a_ticker_without_a_forecast_has_no_analysis(service: ServiceSetup) -> None:
    service.go_live()
    table = service.live.require().table
    with pytest.raises(Problem, match="196 bars"):
        analyse(table, "FB", with_prices=False)
    with pytest.raises(UnknownTickerError):
        analyse(table, "NOPE", with_prices=False)


def test_a_snapshot_without_prices_names_the_way_out(service: ServiceSetup) -> None:
    version = service.register(1)
    service.set_champion(version)
    service.publish(replace(sample_snapshot(), prices=None))
    service.refresh()
    with pytest.raises(Problem, match=r"no prices.*stockcast run"):
        analyse(service.live.require().table, "AAPL", with_prices=True)


def test_the_universe_lists_tickers_with_and_without_a_forecast(service: ServiceSetup) -> None:
    service.go_live()
    table = service.live.require().table
    universe = list_tickers(table, "", 10)
    assert [entry.ticker for entry in universe.tickers] == sorted([*TICKERS, "FB"])
    by_ticker = {entry.ticker: entry for entry in universe.tickers}
    assert by_ticker["FB"].reason == "196 bars, and 151 are needed"
    assert by_ticker["FB"].as_of is None
    assert (by_ticker["AAPL"].exchange, by_ticker["AAPL"].current_price) == ("XNYS", 430.47)
    assert by_ticker["AAPL"].reason is None


def test_the_universe_can_be_searched_and_limited(service: ServiceSetup) -> None:
    service.go_live()
    table = service.live.require().table
    assert [e.ticker for e in list_tickers(table, "go", 10).tickers] == ["GOOG"]
    named = replace(table, snapshot=replace(table.snapshot, names={"IBM": "Business Machines"}))
    (found,) = list_tickers(named, "machines", 10).tickers
    assert (found.ticker, found.name) == ("IBM", "Business Machines")
    limited = list_tickers(table, "", 2)
    assert (limited.count, len(limited.tickers)) == (5, 2)
