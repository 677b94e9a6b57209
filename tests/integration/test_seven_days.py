"""A week of the daily schedule on a free key, whose limits the emulator enforces and counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import dagster as dg
import polars as pl
import pytest
from support.alpha_vantage_emulator import FREE_KEY, AlphaVantageEmulator
from support.moving_clock import MovingClock
from support.weeks import NEW_YORK, Daemon, folder_in_memory, many_bars, write_files

from market.settings import load_settings

pytestmark = pytest.mark.integration

START = date(2012, 6, 1)
LAST_BEFORE = date(2013, 2, 1)
MONDAY = datetime(2013, 2, 4, 9, 0, tzinfo=NEW_YORK)
NEXT_MONDAY = datetime(2013, 2, 11, 0, 0, tzinfo=NEW_YORK)
FRIDAY = date(2013, 2, 8)
SPLIT = date(2013, 2, 6)


def with_split(bars: pl.DataFrame, ticker: str, factor: float) -> pl.DataFrame:
    """The same history as it would have been traded with a split."""
    is_after = (pl.col("ticker") == ticker) & (pl.col("session") >= SPLIT)
    return bars.with_columns(
        pl.when(is_after).then(pl.col(name) / factor).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )


@contextmanager
def week_of(n_tickers: int, *, has_files: bool) -> Iterator[tuple[Daemon, AlphaVantageEmulator]]:
    """A daemon that follows so many tickers, with or without files of their history."""
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
            home=folder / "home",
            provider="alpha_vantage",
            alpha_vantage_key=FREE_KEY,
            alpha_vantage_url=emulator.url,
            tickers=",".join(bars["ticker"].unique()),
            **files,
        )
        yield Daemon(settings, instance, clock), emulator


@pytest.mark.parametrize("has_files", [True, False])
def test_twenty_tickers_are_kept_up_to_date_within_25_calls_a_day(*, has_files: bool) -> None:
    with week_of(20, has_files=has_files) as (daemon, emulator):
        daemon.run_until(NEXT_MONDAY)

        made = emulator.calls_by_day()
        assert max(made.values()) <= 25
        assert {call.outcome for call in emulator.calls} == {"answered"}
        assert all(result.success for result in daemon.results)
        store = daemon.resources["bar_store"]
        assert set(store.last_sessions().values()) == {FRIDAY}
        assert len(store.last_sessions()) == 20
