"""The sensor that resumes what was left undone: when it asks for a run, and when it waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars

from core.settings import load_settings
from pipelines.assets.market_data import DAILY_BARS
from pipelines.partitions import RANGE_END, RANGE_START, follow_universe
from pipelines.resources import build_resources
from pipelines.sensors import catch_up_sensor
from pipelines.settings import PipelineSettings

# The sample ends on Friday, 2013-03-01; the exchange closes at 21:00 UTC.
CLOSE = datetime(2013, 3, 1, 21, tzinfo=UTC)
WANTED = ("settings", "provider", "bar_store", "ticker_states", "provider_status", "clock")


class Watch:
    """The sensor over a home that follows AAPL and IBM; AAPL lacks the last session."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.clock = MovingClock(CLOSE + timedelta(hours=4))
        self.resources = build_resources(load_settings(PipelineSettings, home=home), self.clock)
        follow_universe(instance, ("AAPL", "IBM"))
        bars = sample_bars("AAPL", "IBM", start=datetime(2013, 1, 2, tzinfo=UTC).date())
        self.whole = bars
        self.resources["bar_store"].upsert(
            bars.filter(~((bars["ticker"] == "AAPL") & (bars["session"] == CLOSE.date())))
        )

    def look(self) -> dg.RunRequest | str:
        resources = {name: self.resources[name] for name in WANTED}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            found = catch_up_sensor(context)
        return found.skip_message if isinstance(found, dg.SkipReason) else found


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watch(tmp_path, instance)


def test_what_is_overdue_and_can_be_asked_for_gets_a_run_of_all_tickers(watch: Watch) -> None:
    request = watch.look()

    assert isinstance(request, dg.RunRequest)
    assert request.tags == {RANGE_START: "AAPL", RANGE_END: "IBM"}
    assert request.run_key == watch.look().run_key


def test_the_schedule_comes_first(watch: Watch) -> None:
    watch.clock.set_wall(CLOSE + timedelta(hours=2, minutes=59))

    assert watch.look() == "Every ticker is up to date."


def test_nothing_is_asked_for_when_all_is_there(watch: Watch) -> None:
    watch.resources["bar_store"].upsert(watch.whole)

    assert watch.look() == "Every ticker is up to date."


@pytest.mark.parametrize("selection", [None, {DAILY_BARS}])
def test_a_run_that_takes_bars_in_is_waited_for(
    watch: Watch, selection: set[dg.AssetKey] | None
) -> None:
    run = create_run_for_test(
        watch.instance, status=dg.DagsterRunStatus.STARTED, asset_selection=selection
    )

    assert watch.look() == f"Run {run.run_id} takes bars in."


def test_a_run_of_models_alone_is_not_waited_for(watch: Watch) -> None:
    create_run_for_test(
        watch.instance,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection={dg.AssetKey("evaluation")},
    )

    assert isinstance(watch.look(), dg.RunRequest)


def test_without_a_followed_ticker_it_says_what_to_switch_on(watch: Watch) -> None:
    follow_universe(watch.instance, ())

    assert "`universe_sensor`" in watch.look()
