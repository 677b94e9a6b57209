"""Forecasts from old data have no signal, and `/health` reports the tickers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from support.serving.homes import TICKERS, sample_snapshot
from support.serving.service_setup import ServiceSetup

from serving.routes.models.compare import _compare_model
from serving.routes.operation.health import read_health

# As of Friday, 2013-03-01, sessions close on the following days at 21:00 UTC (20:00 in summer).
FIVE_SESSIONS = datetime(2013, 3, 8, 21, 30, tzinfo=UTC)
SIX_SESSIONS = datetime(2013, 3, 11, 20, 30, tzinfo=UTC)


def signals(service: ServiceSetup, horizon: int) -> dict[str, str | None]:
    """Return the signal of each ticker from the precomputed responses."""
    live = service.live.require()
    bodies = {ticker: json.loads(live.response(ticker, horizon).content) for ticker in TICKERS}
    return {ticker: body["prediction"]["signal"] for ticker, body in bodies.items()}


def note(service: ServiceSetup, ticker: str, horizon: int) -> str | None:
    forecast = service.live.require().table.forecast(ticker, horizon)
    assert (forecast.prediction.signal is None) == (forecast.prediction.signal_note is not None)
    return forecast.prediction.signal_note


def test_beyond_the_limit_signals_are_null_with_the_reason_and_health_is_degraded(
    service: ServiceSetup,
) -> None:
    """Regression: forecasts 477 sessions old had signals, and health was ok."""
    service.go_live()
    service.clock.move_to(FIVE_SESSIONS)
    service.refresh()
    assert None not in signals(service, 21).values()
    assert read_health(service.state)["status"] == "healthy"

    directions = {t: service.live.require().table.forecast(t, 21).prediction for t in TICKERS}
    service.clock.move_to(SIX_SESSIONS)
    service.refresh()
    assert set(signals(service, 21).values()) == {None}
    assert note(service, "IBM", 21) == (
        "The last bar is 6 sessions old, and the limit is 5 (STOCKCAST_MAX_DATA_AGE_SESSIONS)."
    )
    for ticker, before in directions.items():
        after = service.live.require().table.forecast(ticker, 21).prediction
        kept = {"signal": before.signal, "signal_note": None}
        assert after.model_copy(update=kept) == before
    health = read_health(service.state)
    assert health["status"] == "degraded"
    (issue,) = health["issues"]
    assert issue["topic"] == "data"
    assert issue["detail"] == (
        "4 of 4 tickers have no signal, because their last bar is more than 5 sessions old: AAPL"
        " (6), GOOG (6), IBM (6), MSFT (6). Ingest newer bars, remove delisted tickers, or raise"
        " STOCKCAST_MAX_DATA_AGE_SESSIONS."
    )

    as_of = (date(2013, 3, 11),) * len(TICKERS)
    service.publish(replace(sample_snapshot(), as_of=as_of, data_fingerprint="e" * 64))
    service.refresh()
    assert read_health(service.state)["status"] == "healthy"


def test_a_delisted_ticker_has_no_signal_while_the_others_have_one(service: ServiceSetup) -> None:
    """Regression: a ticker without new bars got BUY, because the newest bars were recent."""
    snapshot = sample_snapshot()
    as_of = (date(2012, 3, 1), *snapshot.as_of[1:])
    service.set_champion(service.register(1))
    service.publish(replace(snapshot, as_of=as_of))
    service.refresh()
    old, *others = signals(service, 21).items()
    assert old == ("AAPL", None)
    assert None not in dict(others).values()
    (issue,) = read_health(service.state)["issues"]
    assert issue["detail"].startswith("1 of 4 tickers have no signal")
    assert "AAPL (250)" in issue["detail"]


@pytest.mark.parametrize(("horizon", "has_signal"), [(1, False), (5, True), (21, True)])
def test_a_forecast_for_a_closed_session_has_no_signal(
    service: ServiceSetup, horizon: int, *, has_signal: bool
) -> None:
    """Regression: BUY was served for a target session in the past."""
    service.go_live()
    service.clock.move_to(datetime(2013, 3, 4, 21, 30, tzinfo=UTC))
    service.refresh()
    assert (note(service, "AAPL", horizon) is None) == has_signal
    if not has_signal:
        assert note(service, "AAPL", horizon) == "The target session 2013-03-04 has closed."


def test_champion_and_challenger_lose_their_signals_together(service: ServiceSetup) -> None:
    service.go_live()
    service.registry.aliases["challenger"] = service.register(2)
    challenger = service.state.challenger
    for instant, expected in ((FIVE_SESSIONS, True), (SIX_SESSIONS, False)):
        service.clock.move_to(instant)
        service.refresh()
        table = challenger.get().table
        assert table is not None
        for compared in (table, service.live.require().table):
            prediction = _compare_model(compared, "AAPL").horizons["1m"].prediction
            assert (prediction.signal is not None) == expected


def test_the_limit_is_a_setting(service: ServiceSetup) -> None:
    assert service.settings.max_data_age_sessions == 5
    patient = service.settings.model_copy(update={"max_data_age_sessions": 6})
    service.live.max_age_sessions = patient.max_data_age_sessions
    service.go_live()
    service.clock.move_to(SIX_SESSIONS)
    service.refresh()
    assert None not in signals(service, 21).values()
