"""Dagster's daemon in simulated time: the schedule and sensors of the pipeline, evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars

from pipelines.assets.market_data import build_daily_bars
from pipelines.definitions import build_defs
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings

NEW_YORK = ZoneInfo("America/New_York")
SENSORS = ("universe_sensor", "catch_up_sensor")
# Their histories are repeated under as many names as a test needs.
ORIGINALS = ("AAPL", "GOOG", "IBM", "MSFT")


def many_bars(n_tickers: int, *, start: date, end: date) -> pl.DataFrame:
    """Real bars under the names AAPL1, GOOG1, IBM1, MSFT1, AAPL2 and so on, as traded."""
    bars = sample_bars(*ORIGINALS, start=start, end=end)
    frames = [
        bars.filter(ticker=original).with_columns(ticker=pl.lit(f"{original}{1 + n // 4}"))
        for n, original in zip(range(n_tickers), ORIGINALS * n_tickers, strict=False)
    ]
    return pl.concat(frames).sort("ticker", "session")


def write_files(folder: Path, bars: pl.DataFrame) -> str:
    """Write bars as CSV files, one for each ticker, and return their folder."""
    folder.mkdir(parents=True)
    for (ticker,), part in bars.partition_by("ticker", as_dict=True).items():
        shown = part.select("session", "open", "high", "low", "close", "adj_close", "volume")
        shown.rename({"session": "date"}).write_csv(folder / f"{ticker}.csv")
    return str(folder)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Yield a temporary folder in memory, because a week of runs makes thousands of commits."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@dataclass
class Daemon:
    """Evaluates the schedule and the sensors as Dagster's daemon does. Runs only ingest bars."""

    settings: PipelineSettings
    instance: dg.DagsterInstance
    clock: MovingClock
    results: list[dg.ExecuteInProcessResult] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    _seen: set[str | None] = field(default_factory=set)

    @cached_property
    def resources(self) -> dict[str, Any]:
        return build_resources(self.settings, self.clock)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build_defs(self.settings, resources=self.resources)

    def run_until(self, end: datetime, *, step: timedelta = timedelta(hours=3)) -> None:
        """Advance the clock in steps, and run what the schedule and the sensors request."""
        at = self.clock.now()
        while at < end:
            at += step
            self.clock.move_to(max(at, self.clock.now()))
            self._tick_schedule(at)
            for name in SENSORS:
                self._tick_sensor(name)

    def _tick_schedule(self, at: datetime) -> None:
        schedule = next(
            found
            for found in self.definitions.schedules or ()
            if found.name == "after_close_schedule"
        )
        there = at.astimezone(ZoneInfo(str(schedule.execution_timezone)))
        if f"{there.minute} {there.hour} * * *" != schedule.cron_schedule:
            return
        with dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=there, resources=self.resources
        ) as context:
            self._follow(schedule.evaluate_tick(context))

    def _tick_sensor(self, name: str) -> None:
        sensor = next(found for found in self.definitions.sensors or () if found.name == name)
        with dg.build_sensor_context(instance=self.instance, resources=self.resources) as context:
            found = sensor.evaluate_tick(context)
        for change in found.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions("tickers", list(change.partition_keys))
        self._follow(found)

    def _follow(self, found: Any) -> None:  # noqa: ANN401  two kinds of ticks
        if found.skip_message:
            self.skipped.append(found.skip_message)
        for request in found.run_requests or ():
            # Dagster drops a run key that it has seen before.
            if request.run_key is None or request.run_key not in self._seen:
                self._seen.add(request.run_key)
                self.run(request.tags)

    def run(self, tags: Mapping[str, str]) -> dg.ExecuteInProcessResult:
        """Materialize only `daily_bars`, because later assets change no bar."""
        result = dg.materialize(
            [build_daily_bars(self.settings)],
            instance=self.instance,
            tags=dict(tags),
            resources=self.resources,
            raise_on_error=False,
        )
        self.results.append(result)
        return result
