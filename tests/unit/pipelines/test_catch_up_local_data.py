"""The catch-up sensor with providers that cost no calls: one run for each change of the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.pipelines.simulated_daemon import Daemon, write_files

from core.settings import load_settings
from pipelines.settings import PipelineSettings

pytestmark = pytest.mark.slow

FIVE_MINUTES = timedelta(minutes=5)
START, FRIDAY, MONDAY = date(2013, 2, 1), date(2013, 3, 1), date(2013, 3, 4)
# Saturday; the sample ends on Friday, so that its bars become old on Monday.
SATURDAY = datetime(2013, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def daemon_of(instance: dg.DagsterInstance, **settings: object) -> Daemon:
    loaded = load_settings(PipelineSettings, **settings)
    return Daemon(loaded, instance, MovingClock(SATURDAY))


def after_hours(hours: float) -> datetime:
    return SATURDAY + timedelta(hours=hours)


def test_the_sample_starts_one_run_and_no_other(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Regression: each of the 288 ticks of a day started a run, because the sample is old."""
    daemon = daemon_of(instance, home=tmp_path, tickers="IBM,FB")
    daemon.run_until(after_hours(1), step=FIVE_MINUTES)
    assert len(daemon.results) == 1  # of `universe_sensor`

    daemon.clock.move_to(datetime(2013, 3, 6, 12, tzinfo=UTC))
    daemon.skipped.clear()
    for _ in range(288):
        daemon.clock.advance(seconds=FIVE_MINUTES.total_seconds())
        daemon._tick_sensor("catch_up_sensor")

    assert len(daemon.results) == 1
    assert daemon.skipped == ["The data of sample has not changed since its ingest."] * 288


class FilesDay:
    """A home with files of IBM and FB up to Friday, after the first ingest."""

    def __init__(self, instance: dg.DagsterInstance, folder: Path, *, backups: str = "") -> None:
        bars = sample_bars("FB", "IBM", start=START)
        self.folder = Path(write_files(folder / "bars", bars))
        self.daemon = daemon_of(
            instance,
            home=folder / "home",
            provider="files",
            bars=str(self.folder),
            backups=backups,
        )
        self.daemon.run_until(after_hours(1), step=FIVE_MINUTES)
        assert len(self.daemon.results) == 1

    def n_runs_until(self, end: datetime, step: timedelta = FIVE_MINUTES) -> int:
        """Return the number of runs that the sensor starts until `end`."""
        before = len(self.daemon.results)
        while self.daemon.clock.now() < end:
            self.daemon.clock.advance(seconds=step.total_seconds())
            self.daemon._tick_sensor("catch_up_sensor")
        return len(self.daemon.results) - before

    def append(self, ticker: str, session: date) -> None:
        """Append a copy of the last row of a file as the bar of `session`."""
        path = self.folder / f"{ticker}.csv"
        row = path.read_text().splitlines()[-1]
        with path.open("a") as file:
            file.write(f"{session}{row[10:]}\n")

    def last(self, ticker: str) -> date:
        return self.daemon.resources["bar_store"].last_sessions()[ticker]


@pytest.fixture
def files(instance: dg.DagsterInstance, tmp_path: Path) -> FilesDay:
    return FilesDay(instance, tmp_path)


def test_unchanged_files_start_no_run(files: FilesDay) -> None:
    """Regression: each of the 288 ticks of a day started a run over unchanged files."""
    assert files.n_runs_until(datetime(2013, 3, 6, 12, tzinfo=UTC), timedelta(minutes=15)) == 0


def test_a_changed_file_starts_one_run(files: FilesDay) -> None:
    files.daemon.clock.move_to(datetime(2013, 3, 4, 23, tzinfo=UTC))
    files.append("IBM", MONDAY)

    assert files.n_runs_until(datetime(2013, 3, 5, 12, tzinfo=UTC), timedelta(minutes=15)) == 1
    assert (files.last("IBM"), files.last("FB")) == (MONDAY, FRIDAY)


def test_a_corrected_old_row_starts_one_run_although_no_session_is_missing(
    files: FilesDay,
) -> None:
    path = files.folder / "IBM.csv"
    table = pl.read_csv(path, infer_schema=False)
    path.write_text(table[1:].write_csv())

    assert files.n_runs_until(after_hours(6)) == 1


def test_a_bar_that_was_too_early_is_ingested_after_its_close(files: FilesDay) -> None:
    files.daemon.clock.move_to(datetime(2013, 3, 4, 16, tzinfo=UTC))
    files.append("IBM", MONDAY)
    assert files.n_runs_until(datetime(2013, 3, 4, 20, 55, tzinfo=UTC)) == 1
    assert files.last("IBM") == FRIDAY

    assert files.n_runs_until(datetime(2013, 3, 5, 3, tzinfo=UTC)) == 1
    assert files.last("IBM") == MONDAY


def test_a_broken_file_is_read_again_only_after_it_was_corrected(files: FilesDay) -> None:
    path = files.folder / "IBM.csv"
    good = path.read_text()
    path.write_text(good.replace("2013-02-04", "2013-99-04"))
    assert files.n_runs_until(after_hours(8)) == 1

    path.write_text(good)
    assert files.n_runs_until(after_hours(16)) == 1


def test_an_edited_file_in_a_chain_starts_one_run(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Regression: an edit of files in a chain waited for the next scheduled ingest."""
    # Nothing is requested from Yahoo, because the files have the bar of Friday.
    files = FilesDay(instance, tmp_path, backups="yahoo")
    assert files.n_runs_until(after_hours(2), timedelta(minutes=30)) == 0

    path = files.folder / "IBM.csv"
    pl.read_csv(path, infer_schema=False)[1:].write_csv(path)

    assert files.n_runs_until(after_hours(16), timedelta(minutes=30)) == 1
    stored = files.daemon.resources["bar_store"].read(["IBM"])
    assert stored["session"][0] == date(2013, 2, 4)
