"""Schedules follow the time zone, the closing hour and the holidays of the exchange."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from support.clocks.moving_clock import MovingClock

from core.settings import load_settings
from market.settings import MarketSettings
from pipelines.partitions import RANGE_END, RANGE_START, follow_universe
from pipelines.schedules import build_schedules

NEW_YORK = ZoneInfo("America/New_York")
CLOCK = MovingClock(datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, day: str) -> dg.RunRequest | dg.SkipReason:
    after_close, _ = build_schedules(load_settings(MarketSettings), CLOCK)
    at = datetime.fromisoformat(f"{day}T18:00").replace(tzinfo=NEW_YORK)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    return after_close(context)  # type: ignore[operator,return-value]


@pytest.mark.parametrize(
    ("exchange", "cron", "zone"),
    [
        ("XNYS", "0 18 * * *", "America/New_York"),  # closes at 16:00
        ("XLON", "0 18 * * *", "Europe/London"),  # closes at 16:30
        ("XTKS", "0 17 * * *", "Asia/Tokyo"),  # closes at 15:30 since November 2024
        ("XHKG", "0 18 * * *", "Asia/Hong_Kong"),  # closes at 16:00
    ],
)
def test_the_daily_job_runs_two_hours_after_the_close_in_local_time(
    exchange: str, cron: str, zone: str
) -> None:
    after_close, weekly = build_schedules(load_settings(MarketSettings, exchange=exchange), CLOCK)

    assert (after_close.cron_schedule, after_close.execution_timezone) == (cron, zone)
    assert (weekly.cron_schedule, weekly.execution_timezone) == ("0 6 * * 6", zone)


@pytest.mark.parametrize("day", ["2024-07-04", "2024-12-25", "2024-07-06"])
def test_a_day_without_a_session_is_skipped(instance: dg.DagsterInstance, day: str) -> None:
    follow_universe(instance, ("AAPL",))

    assert tick(instance, day).skip_message == f"{day} is not a session of XNYS."


def test_a_session_starts_one_run_of_all_tickers(instance: dg.DagsterInstance) -> None:
    follow_universe(instance, ("AAPL", "IBM", "MSFT"))

    request = tick(instance, "2024-07-03")

    assert request.run_key == "after-close-2024-07-03"
    assert request.tags == {RANGE_START: "AAPL", RANGE_END: "MSFT"}


def test_without_followed_tickers_the_skip_reason_names_the_sensor(
    instance: dg.DagsterInstance,
) -> None:
    assert "`universe_sensor`" in tick(instance, "2024-07-03").skip_message


def test_schedules_are_stopped_by_default() -> None:
    for schedule in build_schedules(load_settings(MarketSettings), CLOCK):
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_the_hour_follows_a_change_of_the_closing_time() -> None:
    before = MovingClock(datetime(2024, 10, 1, 12, tzinfo=UTC))
    after_close, _ = build_schedules(load_settings(MarketSettings, exchange="XTKS"), before)

    assert after_close.cron_schedule == "0 17 * * *"
