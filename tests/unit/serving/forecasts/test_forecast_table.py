from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from support.forecasting.bundles import tiny_bundle
from support.serving.homes import LOOKBACK, TICKERS, sample_snapshot, two_exchanges
from support.serving.refresher_setup import NOW, live_model

import serving.forecasts.forecast_table
from core.errors import ForecastError, UnknownTickerError
from forecasting.features.feature_set import VOLATILITY
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table, request_keys
from serving.http.problems import Problem
from serving.http.schemas import Forecast
from serving.models.model_cache import LiveModel


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    folder = tmp_path_factory.mktemp("bundle") / "one"
    return live_model(tiny_bundle(folder, seed=1, lookback=LOOKBACK))


@pytest.fixture(scope="module")
def book(model: LiveModel) -> ForecastTable:
    return build_forecast_table(model, sample_snapshot(), NOW)


def test_an_answer_holds_every_field_that_callers_rely_on(book: ForecastTable) -> None:
    answer = json.loads(book.ready("AAPL", 1).content)
    assert answer["ticker"] == "AAPL"
    assert answer["as_of"] == "2013-03-01"
    assert answer["target_session"] == "2013-03-04"
    assert answer["current_price"] == 430.47  # the close as traded that day
    assert set(answer["prediction"]) == {
        *("price_target", "expected_return", "direction", "signal", "confidence"),
        *("probability_up", "intervals"),
    }
    assert set(answer["members"]) == {"forest", "lstm"}
    assert answer["weights"] == {"forest": 0.4, "lstm": 0.6, "naive": 0.0}
    assert answer["model"] == {"name": "stockcast", "version": 1, "trained_through": "2012-12-31"}
    assert answer["timestamp"] == "2013-03-04T12:00:00Z"
    assert answer["data_age_sessions"] == 0
    Forecast.model_validate(answer)


def test_the_numbers_are_the_models_own(book: ForecastTable, model: LiveModel) -> None:
    snapshot, bundle = sample_snapshot(), model.bundle
    at = snapshot.tickers.index("MSFT")
    output = bundle.run(np.ascontiguousarray(snapshot.windows[at : at + 1]))
    levels, quantiles = bundle.manifest.quantile_levels, bundle.manifest.conformal_quantiles[5]
    returns = output.mean[0, 1] + output.scale[0, 1] * np.array(quantiles)
    prices = snapshot.close[at] * np.exp(np.interp([0.025, 0.5, 0.975], levels, returns))
    forecast = book.forecast("MSFT", 5)
    assert forecast.prediction.intervals["95"] == pytest.approx((prices[0], prices[2]), rel=1e-6)
    assert forecast.prediction.price_target == pytest.approx(prices[1], rel=1e-6)
    assert forecast.current_price == pytest.approx(snapshot.close[at])


def test_intervals_nest_and_hold_the_price_target(book: ForecastTable) -> None:
    for ticker in TICKERS:
        for horizon in (1, 5, 21):
            prediction = book.forecast(ticker, horizon).prediction
            (l99, h99), (l95, h95), (l80, h80) = (
                prediction.intervals[c] for c in ("99", "95", "80")
            )
            assert l99 < l95 < l80 < prediction.price_target < h80 < h95 < h99


def test_the_age_counts_sessions_and_not_days(book: ForecastTable) -> None:
    # Good Friday, 2013-03-29, is no session.
    assert book.at({"XNYS": date(2013, 3, 1)}).forecast("AAPL", 1).data_age_sessions == 0
    assert book.at({"XNYS": date(2013, 3, 4)}).forecast("AAPL", 1).data_age_sessions == 1
    assert book.at({"XNYS": date(2013, 4, 1)}).forecast("AAPL", 1).data_age_sessions == 20
    assert book.at({"XNYS": date(2013, 4, 1)}).computed_at == datetime(2013, 3, 4, 12, tzinfo=UTC)


def test_every_ticker_ages_by_the_calendar_of_its_own_exchange(model: LiveModel) -> None:
    """Regression: one exchange for all, so London aged on Boxing Day and had targets on it."""
    boxing_night = datetime(2012, 12, 26, 22, tzinfo=UTC)
    book = build_forecast_table(model, two_exchanges(), boxing_night)
    new_york, london = book.forecast("AAPL", 1), book.forecast("AZN.L", 1)
    assert (new_york.target_session, london.target_session) == (
        date(2012, 12, 26),
        date(2012, 12, 27),
    )
    assert new_york.last_closed_session == date(2012, 12, 26)
    assert london.last_closed_session == date(2012, 12, 24)
    assert (new_york.data_age_sessions, london.data_age_sessions) == (1, 0)
    assert book.age == 1


def test_the_age_of_a_book_is_that_of_its_newest_bar(model: LiveModel) -> None:
    snapshot = two_exchanges()
    new_york_is_there = tuple(
        date(2012, 12, 24) if exchange == "XLON" else date(2012, 12, 28)
        for exchange in snapshot.exchanges
    )
    snapshot = replace(snapshot, as_of=new_york_is_there)
    book = build_forecast_table(model, snapshot, datetime(2012, 12, 30, tzinfo=UTC))
    assert book.forecast("AZN.L", 1).data_age_sessions == 2
    assert book.age == 0


def test_a_ticker_that_was_skipped_says_why(book: ForecastTable) -> None:
    with pytest.raises(Problem, match="FB has no forecast: 196 bars") as caught:
        book.forecast("FB", 1)
    assert caught.value.status == 409


def test_an_unknown_ticker_gets_near_names(book: ForecastTable) -> None:
    with pytest.raises(UnknownTickerError) as caught:
        book.forecast("GOOGL", 1)
    assert caught.value.near == ("GOOG",)


def test_a_window_without_a_forecast_refuses_its_ticker_alone(model: LiveModel) -> None:
    snapshot = _with_dead_price("IBM")
    book = build_forecast_table(model, snapshot, NOW)
    assert sorted(book.rows) == ["AAPL", "GOOG", "MSFT"]
    with pytest.raises(Problem, match="IBM has no forecast"):
        book.forecast("IBM", 1)
    whole = build_forecast_table(model, sample_snapshot(), NOW)
    assert book.forecast("MSFT", 21) == whole.forecast("MSFT", 21)


def test_a_model_without_any_forecast_must_not_go_live(model: LiveModel) -> None:
    with pytest.raises(ForecastError, match="No ticker of the snapshot has a forecast"):
        build_forecast_table(model, _with_dead_price(*TICKERS), NOW)


def test_every_address_of_a_small_universe_is_ready(book: ForecastTable) -> None:
    ready = book.precompute_responses()
    assert len(ready) == len(TICKERS) * 4
    assert ready["/predict/AAPL", b""] is ready["/predict/AAPL", b"horizon=1d"]
    headers = dict(ready["/predict/IBM", b"horizon=1m"].start["headers"])
    content = ready["/predict/IBM", b"horizon=1m"].content
    assert headers[b"content-length"] == str(len(content)).encode()
    assert json.loads(content)["horizon"] == "1m"


def test_a_large_universe_is_made_ready_at_its_first_requests(
    book: ForecastTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.forecasts.forecast_table, "EAGER_TICKERS", 3)
    assert book.precompute_responses() == {}


def test_batches_do_not_change_a_forecast(
    model: LiveModel, book: ForecastTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.forecasts.forecast_table, "_BATCH", 3)
    again = build_forecast_table(model, sample_snapshot(), NOW)
    for ticker in TICKERS:
        assert again.forecast(ticker, 5).model_dump() == book.forecast(ticker, 5).model_dump()


def test_only_the_default_horizon_answers_without_a_query() -> None:
    assert request_keys("AAPL", 1) == [("/predict/AAPL", b"horizon=1d"), ("/predict/AAPL", b"")]
    assert request_keys("AAPL", 21) == [("/predict/AAPL", b"horizon=1m")]


def _with_dead_price(*tickers: str) -> object:
    """Windows as they would be if the price had never moved: no volatility, so no scale."""
    snapshot = sample_snapshot()
    windows = np.array(snapshot.windows)
    volatility = snapshot.feature_names.index(VOLATILITY)
    for ticker in tickers:
        windows[snapshot.tickers.index(ticker), :, volatility] = 0.0
    return replace(snapshot, windows=windows)
