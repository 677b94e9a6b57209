"""The age of the forecasts follows the calendar of each exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from support.market.calendars import end_calendar
from support.serving.homes import sample_snapshot, two_exchanges
from support.serving.service_setup import ServiceSetup

from serving.routes.models.status import read_status
from serving.routes.operation.health import read_health


def test_a_closed_session_makes_every_forecast_one_session_older(service: ServiceSetup) -> None:
    service.go_live()
    computed_at = service.live.require().table.computed_at
    service.clock.move_to(datetime(2013, 3, 4, 21, 0, tzinfo=UTC))  # Monday's close
    service.refresh()
    table = service.live.require().table
    assert table.forecast("AAPL", 1).data_age_sessions == 1
    assert table.computed_at == computed_at
    assert service.metrics.events == ["champion_swapped 1 0", "session_closed 1 1"]


def test_forecasts_age_at_the_close_of_each_exchange(service: ServiceSetup) -> None:
    service.clock.set_wall(datetime(2012, 12, 27, 12, 0, tzinfo=UTC))
    service.set_champion(service.register(1))
    service.publish(two_exchanges())
    service.refresh()

    def ages() -> tuple[int, ...]:
        table = service.live.require().table
        return tuple(table.forecast(t, 1).data_age_sessions for t in ("AAPL", "AZN.L"))

    assert ages() == (1, 0)
    service.clock.move_to(datetime(2012, 12, 27, 17, 0, tzinfo=UTC))  # London closes at 16:30
    service.refresh()
    assert ages() == (1, 1)
    service.clock.move_to(datetime(2012, 12, 27, 21, 0, tzinfo=UTC))
    service.refresh()
    assert ages() == (2, 1)
    closed = read_status(service.state)["snapshot"]["last_closed_sessions"]
    assert closed == {"XNYS": date(2012, 12, 27), "XLON": date(2012, 12, 27)}


def test_the_end_of_a_calendar_takes_no_other_ticker_off_the_air(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a refresh failed for all tickers once one calendar had ended."""
    service.clock.set_wall(datetime(2012, 12, 27, 12, 0, tzinfo=UTC))
    service.set_champion(service.register(1))
    service.publish(two_exchanges())
    service.refresh()
    assert "AZN.L" in service.live.require().table.rows
    end_calendar(monkeypatch, "XLON", date(2012, 12, 31))
    service.clock.move_to(datetime(2013, 1, 2, 22, 0, tzinfo=UTC))

    service.refresh()

    table = service.live.require().table
    assert table.forecast("AAPL", 1).last_closed_session == date(2013, 1, 2)
    reason = read_status(service.state)["snapshot"]["without_forecast"]["AZN.L"]
    assert "must be within the XLON calendar" in reason

    end_calendar(monkeypatch, "XNYS", date(2013, 1, 2))
    service.clock.move_to(datetime(2013, 1, 4, 22, 0, tzinfo=UTC))
    service.refresh()
    last = service.live.require().table
    assert last.rows == table.rows
    prediction = last.forecast("AAPL", 21).prediction
    assert prediction.signal is None
    assert "must be within the XNYS calendar" in (prediction.signal_note or "")
    health = read_health(service.state)
    assert health["status"] == "degraded"
    assert "must be within the XNYS calendar" in health["issues"][0]["detail"]
    service.clock.advance(seconds=1)
    service.refresh()
    assert service.live.require().table is last


def test_forecasts_age_while_the_published_snapshot_does_not_fit(service: ServiceSetup) -> None:
    """Regression: the age stood still while the newest snapshot could not be used."""
    service.go_live()
    snapshot = sample_snapshot()
    service.publish(replace(snapshot, feature_names=snapshot.feature_names[::-1]))
    service.clock.move_to(datetime(2013, 3, 4, 21, 0, tzinfo=UTC))
    service.refresh()
    assert "snapshot" in service.live.issues
    assert service.live.require().table.age_sessions == 1
