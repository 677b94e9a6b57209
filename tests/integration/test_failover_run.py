"""A run whose primary provider goes down is completed and reported with the backup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.alpha_vantage.emulator import PREMIUM_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.pipelines.simulated_daemon import NEW_YORK, Daemon, many_bars
from support.yahoo.emulator import YahooEmulator

from core.settings import load_settings
from market.ingest.outcome import TickerOutcome
from pipelines.assets.market_data import build_daily_bars
from pipelines.partitions import all_partitions, follow_universe
from pipelines.settings import PipelineSettings

pytestmark = pytest.mark.integration

START = date(2012, 6, 1)
THURSDAY, FRIDAY = date(2013, 2, 7), date(2013, 2, 8)
TICKERS = ("AAPL1", "GOOG1", "IBM1", "IBM2", "MSFT1", "MSFT2")


def evening(session: date) -> datetime:
    return datetime(session.year, session.month, session.day, 18, 0, tzinfo=NEW_YORK)


@dataclass
class AfterSome:
    """A listener that calls `do` after a number of tickers."""

    n_tickers: int
    do: Callable[[], object]

    def begin(self, n_tickers: int) -> None: ...

    def on_outcome(self, _: TickerOutcome) -> None:
        self.n_tickers -= 1
        if self.n_tickers == 0:
            self.do()


@dataclass
class World:
    """Two providers, and a daemon on Friday evening whose store has bars up to Thursday."""

    alpha_vantage: AlphaVantageEmulator
    yahoo: YahooEmulator
    daemon: Daemon
    stack: ExitStack

    def run(self) -> dg.ExecuteInProcessResult:
        return self.daemon.run(all_partitions(self.daemon.instance))

    def last_sources(self) -> dict[str, str]:
        bars = self.daemon.resources["bar_store"].read()
        return dict(bars.filter(session=FRIDAY).select("ticker", "source").iter_rows())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    pytest.importorskip("yfinance")
    clock = MovingClock(evening(THURSDAY))
    bars = many_bars(8, start=START, end=FRIDAY).filter(pl.col("ticker").is_in(TICKERS))
    with (
        AlphaVantageEmulator(bars, clock) as alpha_vantage,
        YahooEmulator(bars, clock) as yahoo,
        dg.DagsterInstance.ephemeral() as instance,
        ExitStack() as stack,
    ):
        settings = load_settings(
            PipelineSettings,
            home=tmp_path,
            provider="alpha_vantage",
            backups="yahoo",
            alpha_vantage_key=PREMIUM_KEY,
            alpha_vantage_tier="premium_75",
            alpha_vantage_url=alpha_vantage.url,
            yahoo_url=yahoo.url,
            tickers=",".join(TICKERS),
            provider_timeout=2,
        )
        follow_universe(instance, TICKERS)
        world = World(alpha_vantage, yahoo, Daemon(settings, instance, clock), stack)
        assert world.run().success
        clock.move_to(evening(FRIDAY))
        yield world


def metadata_by_ticker(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    return {
        str(e.partition): {name: value.value for name, value in e.metadata.items()}
        for e in result.asset_materializations_for_node("daily_bars")
    }


def test_the_backup_completes_a_run_during_which_the_primary_goes_down(
    world: World,
) -> None:
    def cut() -> None:
        world.stack.enter_context(world.alpha_vantage.closed())

    world.daemon.resources["listener"] = AfterSome(3, cut)

    result = world.run()

    assert result.success
    sources = world.last_sources()
    assert sources == dict.fromkeys(TICKERS[:3], "alpha_vantage") | dict.fromkeys(
        TICKERS[3:], "yahoo"
    )
    metadata = metadata_by_ticker(result)
    assert {t: metadata[t]["sources"] for t in TICKERS} == {t: {sources[t]: 1} for t in TICKERS}
    for ticker in TICKERS[3:]:
        assert "alpha_vantage:" in metadata[ticker]["notes"]
        assert "1 from yahoo to 2013-02-08" in metadata[ticker]["outcome"]
    assert "down" in metadata["AAPL1"]["quota"]


def test_with_both_down_the_step_can_be_retried_and_the_store_is_unchanged(
    world: World,
) -> None:
    store = world.daemon.resources["bar_store"]
    before = store.fingerprint()
    world.stack.enter_context(world.alpha_vantage.closed())
    world.stack.enter_context(world.yahoo.closed())
    context = dg.build_asset_context(
        partition_key_range=dg.PartitionKeyRange(TICKERS[0], TICKERS[-1]),
        instance=world.daemon.instance,
    )
    asset = build_daily_bars(world.daemon.settings)
    wanted = asset.required_resource_keys - {"io_manager"}

    with pytest.raises(dg.Failure) as caught:
        asset(context, **{name: world.daemon.resources[name] for name in wanted})

    assert caught.value.allow_retries
    assert "No provider delivered" in str(caught.value.description)
    assert store.fingerprint() == before
