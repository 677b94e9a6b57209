"""Each ticker is ingested for itself: one that fails holds up no other, and is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.bars import sample_bars
from support.providers import FakeProvider

from market.errors import BarsError, ProviderDownError, StockcastError
from market.quarantine import Quarantine
from market.settings import load_settings
from market.store import BarStore
from pipelines.assets.market_data import daily_bars
from pipelines.partitions import all_partitions, follow_universe

TICKERS = ("AAPL", "IBM", "MSFT")
START = date(2012, 6, 1)


class Desk:
    """The asset with a store of its own, and a run that takes every ticker of a provider."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.store = BarStore(home / "bars")
        self.quarantine = Quarantine(home / "quarantine")
        self.settings = load_settings(home=home)

    def ingest(self, provider: FakeProvider) -> dg.ExecuteInProcessResult:
        follow_universe(self.instance, provider.tickers())
        return dg.materialize(
            [daily_bars],
            instance=self.instance,
            tags=all_partitions(self.instance),
            resources={
                "settings": self.settings,
                "provider": provider,
                "bar_store": self.store,
                "quarantine": self.quarantine,
            },
            raise_on_error=False,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(tmp_path, instance)


def bars_of(*tickers: str) -> dict[str, pl.DataFrame | StockcastError]:
    return {ticker: sample_bars(ticker, start=START) for ticker in tickers}


def failure_of(result: dg.ExecuteInProcessResult) -> dg.StepFailureData:
    (event,) = result.get_step_failure_events()
    return event.step_failure_data


def test_all_tickers_are_stored_in_one_run(desk: Desk) -> None:
    result = desk.ingest(FakeProvider(bars_of(*TICKERS)))

    assert result.success
    assert desk.store.read().equals(sample_bars(*TICKERS, start=START))


def test_every_ticker_reports_what_came_in(desk: Desk) -> None:
    result = desk.ingest(FakeProvider(bars_of("AAPL", "IBM")))

    by_ticker = {
        e.partition: e.metadata for e in result.asset_materializations_for_node("daily_bars")
    }
    bars = sample_bars("AAPL", start=START)
    assert by_ticker.keys() == {"AAPL", "IBM"}
    assert by_ticker["AAPL"]["dagster/row_count"].value == bars.height
    assert by_ticker["AAPL"]["inserted"].value == bars.height
    assert by_ticker["AAPL"]["last_session"].value == "2013-03-01"
    assert by_ticker["AAPL"]["quarantine"].value == "No row was refused."


def test_a_second_run_finds_everything_unchanged(desk: Desk) -> None:
    desk.ingest(FakeProvider(bars_of("AAPL")))
    result = desk.ingest(FakeProvider(bars_of("AAPL")))

    (event,) = result.asset_materializations_for_node("daily_bars")
    assert (event.metadata["inserted"].value, event.metadata["updated"].value) == (0, 0)


def test_one_ticker_that_fails_holds_up_no_other_and_is_named(desk: Desk) -> None:
    broken = BarsError("file prices.csv, row 3, column Close: 'abc' is not a number")
    result = desk.ingest(FakeProvider(bars_of("AAPL", "MSFT") | {"IBM": broken}))

    assert desk.store.tickers() == ("AAPL", "MSFT")
    assert not result.success
    told = failure_of(result).user_failure_data
    assert told.description == f"IBM: {broken}"


def test_every_ticker_that_fails_is_named(desk: Desk) -> None:
    failing = {ticker: BarsError("unreadable") for ticker in ("AAPL", "MSFT")}
    result = desk.ingest(FakeProvider(bars_of("IBM") | failing))

    assert failure_of(result).user_failure_data.description == (
        "AAPL: unreadable\nMSFT: unreadable"
    )


@pytest.mark.parametrize(
    ("errors", "retried"),
    [
        ((BarsError("unreadable"),), False),
        ((ProviderDownError("no answer"),), True),
        ((BarsError("unreadable"), ProviderDownError("no answer")), True),
    ],
)
def test_only_what_may_succeed_later_is_tried_again(
    desk: Desk, errors: tuple[StockcastError, ...], *, retried: bool
) -> None:
    provider = FakeProvider({f"T{n}": error for n, error in enumerate(errors)})
    follow_universe(desk.instance, provider.tickers())
    first, *_, last = provider.tickers() * 2
    context = dg.build_asset_context(
        partition_key_range=dg.PartitionKeyRange(first, last), instance=desk.instance
    )

    with pytest.raises(dg.Failure) as caught:
        daily_bars(
            context,
            settings=desk.settings,
            provider=provider,
            bar_store=desk.store,
            quarantine=desk.quarantine,
        )

    assert caught.value.allow_retries is retried


def test_refused_rows_are_kept_with_their_reason_until_they_are_mended(desk: Desk) -> None:
    good = sample_bars("AAPL", start=START)
    bad = good.with_columns(
        close=pl.when(pl.int_range(pl.len()) == 5).then(-1.0).otherwise(pl.col("close"))
    )
    result = desk.ingest(FakeProvider({"AAPL": bad}))

    refused = desk.quarantine.read(["AAPL"])
    (event,) = result.asset_materializations_for_node("daily_bars")
    assert refused["session"].to_list() == [good["session"][5]]
    assert event.metadata["refused"].value == 1
    assert refused["reason"][0] in event.metadata["quarantine"].value
    assert desk.store.read().height == good.height - 1

    desk.ingest(FakeProvider({"AAPL": good}))
    assert desk.quarantine.read(["AAPL"]).is_empty()
    assert desk.store.read().equals(good)
