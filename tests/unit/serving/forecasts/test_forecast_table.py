"""The forecast table: numbers, age, and tickers without a forecast."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from support.market.calendars import end_calendar
from support.serving.homes import TICKERS, sample_snapshot, two_exchanges
from support.serving.service_setup import NOW

from core.errors import ForecastError, UnknownTickerError
from forecasting.features.feature_set import VOLATILITY
from forecasting.snapshot import Snapshot
from serving.forecasts import forecast_table
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.http.problems import Problem
from serving.models.model_cache import LiveModel


def test_prices_follow_from_the_output_of_the_model(table: ForecastTable, model: LiveModel) -> None:
    snapshot, bundle = sample_snapshot(), model.bundle
    at = snapshot.tickers.index("MSFT")
    output = bundle.run(np.ascontiguousarray(snapshot.windows[at : at + 1]))
    levels, quantiles = bundle.manifest.quantile_levels, bundle.manifest.conformal_quantiles[5]
    returns = output.mean[0, 1] + output.scale[0, 1] * np.array(quantiles)
    prices = snapshot.close[at] * np.exp(np.interp([0.025, 0.5, 0.975], levels, returns))
    forecast = table.forecast("MSFT", 5)
    assert forecast.prediction.intervals["95"] == pytest.approx((prices[0], prices[2]), rel=1e-6)
    assert forecast.prediction.price_target == pytest.approx(prices[1], rel=1e-6)
    assert forecast.current_price == pytest.approx(snapshot.close[at])


def test_intervals_nest_and_contain_the_price_target(table: ForecastTable) -> None:
    for ticker in TICKERS:
        for horizon in (1, 5, 21):
            prediction = table.forecast(ticker, horizon).prediction
            (l99, h99), (l95, h95), (l80, h80) = (
                prediction.intervals[c] for c in ("99", "95", "80")
            )
            assert l99 < l95 < l80 < prediction.price_target < h80 < h95 < h99


def test_the_age_counts_sessions_instead_of_days(table: ForecastTable) -> None:
    # Good Friday, 2013-03-29, is not a session.
    for last_closed, age in ((date(2013, 3, 1), 0), (date(2013, 3, 4), 1), (date(2013, 4, 1), 20)):
        later = replace(table, closed_sessions={"XNYS": last_closed})
        assert later.forecast("AAPL", 1).data_age_sessions == age
        assert later.computed_at == datetime(2013, 3, 4, 12, tzinfo=UTC)


def test_every_ticker_ages_by_the_calendar_of_its_own_exchange(model: LiveModel) -> None:
    """Regression: one calendar for all tickers gave London sessions on Boxing Day."""
    boxing_night = datetime(2012, 12, 26, 22, tzinfo=UTC)
    table = build_forecast_table(model, two_exchanges(), boxing_night, max_age_sessions=5)
    new_york, london = table.forecast("AAPL", 1), table.forecast("AZN.L", 1)
    assert (new_york.target_session, london.target_session) == (
        date(2012, 12, 26),
        date(2012, 12, 27),
    )
    assert new_york.last_closed_session == date(2012, 12, 26)
    assert london.last_closed_session == date(2012, 12, 24)
    assert (new_york.data_age_sessions, london.data_age_sessions) == (1, 0)
    assert table.age_sessions == 1


def test_the_age_of_a_table_is_the_age_of_its_newest_bar(model: LiveModel) -> None:
    snapshot = two_exchanges()
    new_york_is_newer = tuple(
        date(2012, 12, 24) if exchange == "XLON" else date(2012, 12, 28)
        for exchange in snapshot.exchanges
    )
    snapshot = replace(snapshot, as_of=new_york_is_newer)
    table = build_forecast_table(
        model, snapshot, datetime(2012, 12, 30, tzinfo=UTC), max_age_sessions=5
    )
    assert table.forecast("AZN.L", 1).data_age_sessions == 2
    assert table.age_sessions == 0


def test_a_calendar_that_has_ended_leaves_out_its_tickers_only(
    model: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: from January on, a service that started answered 503 for every ticker."""
    snapshot = two_exchanges()
    end_calendar(monkeypatch, "XLON", date(2012, 12, 31))
    now = datetime(2013, 1, 2, 22, tzinfo=UTC)

    table = build_forecast_table(model, snapshot, now, max_age_sessions=5)

    assert table.forecast("AAPL", 1).last_closed_session == date(2013, 1, 2)
    with pytest.raises(Problem, match=r"AZN.L has no forecast: .*XLON calendar.*install a newer"):
        table.forecast("AZN.L", 1)
    end_calendar(monkeypatch, "XNYS", date(2012, 12, 31))
    with pytest.raises(ForecastError, match="No ticker of the snapshot has a forecast"):
        build_forecast_table(model, snapshot, now, max_age_sessions=5)


def test_a_skipped_ticker_has_a_problem_with_the_reason(table: ForecastTable) -> None:
    with pytest.raises(Problem, match="FB has no forecast: 196 bars") as caught:
        table.forecast("FB", 1)
    assert caught.value.status == 409


def test_an_unknown_ticker_has_similar_names_in_its_error(table: ForecastTable) -> None:
    with pytest.raises(UnknownTickerError) as caught:
        table.forecast("GOOGL", 1)
    assert caught.value.similar == ("GOOG",)


def test_a_window_without_a_forecast_affects_only_its_ticker(model: LiveModel) -> None:
    snapshot = _with_constant_price("IBM")
    table = build_forecast_table(model, snapshot, NOW, max_age_sessions=5)
    assert sorted(table.rows) == ["AAPL", "GOOG", "MSFT"]
    with pytest.raises(Problem, match="IBM has no forecast"):
        table.forecast("IBM", 1)
    whole = build_forecast_table(model, sample_snapshot(), NOW, max_age_sessions=5)
    assert table.forecast("MSFT", 21) == whole.forecast("MSFT", 21)


def test_a_model_without_any_forecast_raises(model: LiveModel) -> None:
    with pytest.raises(ForecastError, match="No ticker of the snapshot has a forecast"):
        build_forecast_table(model, _with_constant_price(*TICKERS), NOW, max_age_sessions=5)


def test_batches_do_not_change_a_forecast(
    model: LiveModel, table: ForecastTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_table, "BATCH_SIZE", 3)
    again = build_forecast_table(model, sample_snapshot(), NOW, max_age_sessions=5)
    for ticker in TICKERS:
        batched, whole = (t.forecast(ticker, 5).prediction for t in (again, table))
        # The memory layout of a batch may change the last digit of float32.
        assert batched.price_target == pytest.approx(whole.price_target, rel=1e-6)
        for coverage, bounds in whole.intervals.items():
            assert batched.intervals[coverage] == pytest.approx(bounds, rel=1e-6)


def _with_constant_price(*tickers: str) -> Snapshot:
    """Return windows of constant prices, whose volatility and scale are 0."""
    snapshot = sample_snapshot()
    windows = np.array(snapshot.windows)
    volatility = snapshot.feature_names.index(VOLATILITY)
    for ticker in tickers:
        windows[snapshot.tickers.index(ticker), :, volatility] = 0.0
    return replace(snapshot, windows=windows)
