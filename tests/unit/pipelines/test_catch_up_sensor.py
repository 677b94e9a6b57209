"""The catch-up sensor: when it requests a run, and when it skips."""

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
RESOURCES = (
    "settings",
    "provider",
    "bar_store",
    "quarantine",
    "ticker_states",
    "provider_status",
    "clock",
)


class SensorSetup:
    """The sensor over a home that follows AAPL and IBM; AAPL lacks the last session."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.clock = MovingClock(CLOSE + timedelta(hours=4))
        self.resources = build_resources(load_settings(PipelineSettings, home=home), self.clock)
        follow_universe(instance, ("AAPL", "IBM"))
        bars = sample_bars("AAPL", "IBM", start=datetime(2013, 1, 2, tzinfo=UTC).date())
        self.bars = bars
        self.resources["bar_store"].upsert(
            bars.filter(~((bars["ticker"] == "AAPL") & (bars["session"] == CLOSE.date())))
        )

    def evaluate(self) -> dg.RunRequest | str:
        resources = {name: self.resources[name] for name in RESOURCES}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            result = catch_up_sensor(context)
        return result.skip_message if isinstance(result, dg.SkipReason) else result


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[SensorSetup]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield SensorSetup(tmp_path, instance)


def test_overdue_bars_start_a_run_of_all_tickers(setup: SensorSetup) -> None:
    request = setup.evaluate()

    assert isinstance(request, dg.RunRequest)
    assert request.tags == {RANGE_START: "AAPL", RANGE_END: "IBM"}
    assert request.run_key == setup.evaluate().run_key


def test_the_sensor_waits_for_the_schedule(setup: SensorSetup) -> None:
    setup.clock.set_wall(CLOSE + timedelta(hours=2, minutes=59))

    assert setup.evaluate() == "Every ticker is up to date."


def test_complete_bars_start_no_run(setup: SensorSetup) -> None:
    setup.resources["bar_store"].upsert(setup.bars)

    assert setup.evaluate() == "Every ticker is up to date."


@pytest.mark.parametrize("selection", [None, {DAILY_BARS}])
def test_an_active_ingest_run_starts_no_other(
    setup: SensorSetup, selection: set[dg.AssetKey] | None
) -> None:
    run = create_run_for_test(
        setup.instance, status=dg.DagsterRunStatus.STARTED, asset_selection=selection
    )

    assert setup.evaluate() == f"Run {run.run_id} ingests bars."


def test_an_active_run_without_bars_does_not_matter(setup: SensorSetup) -> None:
    create_run_for_test(
        setup.instance,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection={dg.AssetKey("evaluation")},
    )

    assert isinstance(setup.evaluate(), dg.RunRequest)


def test_without_followed_tickers_the_skip_reason_names_the_sensor(setup: SensorSetup) -> None:
    follow_universe(setup.instance, ())

    assert "`universe_sensor`" in setup.evaluate()
