"""A week of the daily schedule on a free key, with the limits that the emulator enforces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import dagster as dg
import polars as pl
import pytest
from rich.console import Console
from support.alpha_vantage.emulator import FREE_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import xnys
from support.pipelines.simulated_daemon import (
    NEW_YORK,
    Daemon,
    folder_in_memory,
    many_bars,
    write_files,
)

from core.settings import load_settings
from market.bars.adjustments import adjust_bars
from pipelines.resources import make_ingest
from pipelines.settings import PipelineSettings
from stockcast.cli.ingest import ingest_now

pytestmark = pytest.mark.integration

START = date(2012, 6, 1)
LAST_BEFORE = date(2013, 2, 1)
MONDAY = datetime(2013, 2, 4, 9, 0, tzinfo=NEW_YORK)
NEXT_MONDAY = datetime(2013, 2, 11, 0, 0, tzinfo=NEW_YORK)
FRIDAY = date(2013, 2, 8)
SPLIT = date(2013, 2, 6)


def with_split(bars: pl.DataFrame, ticker: str, factor: float) -> pl.DataFrame:
    """Return the bars as traded with a split of `ticker` by `factor`."""
    is_after = (pl.col("ticker") == ticker) & (pl.col("session") >= SPLIT)
    return bars.with_columns(
        pl.when(is_after).then(pl.col(name) / factor).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )


@contextmanager
def week_of(n_tickers: int, *, has_files: bool) -> Iterator[tuple[Daemon, AlphaVantageEmulator]]:
    """Yield a daemon that follows `n_tickers`, with or without files of their history."""
    clock = MovingClock(MONDAY)
    bars = with_split(many_bars(n_tickers, start=START, end=FRIDAY), "IBM1", 2.0)
    with (
        folder_in_memory() as folder,
        AlphaVantageEmulator(bars, clock) as emulator,
        dg.instance_for_test(temp_dir=str(folder)) as instance,
    ):
        emulator.act("IBM1", SPLIT, split_factor=2.0)
        files = {}
        if has_files:
            history = bars.filter(pl.col("session") <= LAST_BEFORE)
            files = {"backups": "files", "bars": write_files(folder / "files", history)}
        settings = load_settings(
            PipelineSettings,
            home=folder / "home",
            provider="alpha_vantage",
            alpha_vantage_key=FREE_KEY,
            alpha_vantage_url=emulator.url,
            tickers=",".join(bars["ticker"].unique()),
            **files,
        )
        yield Daemon(settings, instance, clock), emulator


def wanted(daemon: Daemon) -> set[str]:
    """Return the kinds of tasks that are still due."""
    made = daemon.resources
    names = ("provider", "bar_store", "quarantine", "ticker_states", "clock")
    ingest = make_ingest(daemon.settings, **{name: made[name] for name in names})
    return {task.kind for task in ingest.plan(daemon.settings.tickers)}


def last_session_of(daemon: Daemon) -> dict[str, date]:
    last: dict[str, date] = daemon.resources["bar_store"].last_sessions()
    return last


def adjusted_week(daemon: Daemon, ticker: str) -> list[float]:
    """Return the simple returns of the adjusted closes of the week."""
    adjusted = adjust_bars(daemon.resources["bar_store"].read([ticker]))
    returns = adjusted.select("session", pl.col("close").pct_change().alias("return"))
    return returns.filter(pl.col("session") > LAST_BEFORE)["return"].to_list()


@pytest.mark.parametrize("has_files", [True, False])
def test_twenty_tickers_are_kept_up_to_date_within_25_calls_a_day(*, has_files: bool) -> None:
    with week_of(20, has_files=has_files) as (daemon, emulator):
        # On Monday the first histories take most requests.
        daemon.run_until(datetime(2013, 2, 4, 21, tzinfo=NEW_YORK))
        for day in range(5, 9):
            daemon.run_until(datetime(2013, 2, day, 21, tzinfo=NEW_YORK))

            behind = {t for t, last in last_session_of(daemon).items() if last < date(2013, 2, day)}
            # The calls for the split leave none for two other tickers until midnight.
            assert len(behind) <= (2 if day == SPLIT.day else 0), (day, behind)
        daemon.run_until(NEXT_MONDAY)

        assert max(emulator.calls_by_day().values()) <= 25
        assert {call.outcome for call in emulator.calls} == {"served"}
        assert all(result.success for result in daemon.results)
        assert len(daemon.resources["bar_store"].tickers()) == 20
        assert set(last_session_of(daemon).values()) == {FRIDAY}
        assert wanted(daemon) == {"nothing"}
        through = [r.actions_through for r in daemon.resources["ticker_states"].read().values()]
        assert len(through) == 20
        assert min(through) >= LAST_BEFORE
        # IBM2 has the same history without the split.
        assert adjusted_week(daemon, "IBM1") == pytest.approx(adjusted_week(daemon, "IBM2"))


def test_forty_tickers_are_reported_as_too_many_and_stay_one_session_behind() -> None:
    with week_of(40, has_files=True) as (daemon, emulator):
        console = Console(file=io.StringIO(), width=1_000, record=True)
        daemon.clock.move_to(MONDAY.replace(hour=18))
        ingest_now(daemon.settings, console, clock=daemon.clock)

        first, *_ = console.export_text().splitlines()
        assert first == (
            "40 tickers need 43.8 calls per session, but the key can follow 22 tickers: bars would "
            "be up to 1 session behind. Either follow 22 tickers or fewer, or get a premium key "
            "and set STOCKCAST_ALPHA_VANTAGE_TIER=premium_75, or accept the delay: the tickers "
            "that are most behind always come first."
        )
        for day in range(5, 11):
            evening = datetime(2013, 2, day, 21, tzinfo=NEW_YORK)
            daemon.run_until(evening)
            closed = xnys().last_closed(evening)
            assert min(last_session_of(daemon).values()) >= xnys().offset(closed, -1)
        daemon.run_until(NEXT_MONDAY)
        assert min(last_session_of(daemon).values()) >= date(2013, 2, 7)
        assert max(emulator.calls_by_day().values()) == 25
        assert {call.outcome for call in emulator.calls} == {"served"}
        assert all(result.success for result in daemon.results)
