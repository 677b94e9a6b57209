"""Each ticker is ingested independently. A failed ticker is named and does not stop others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.providers.in_memory import FakeProvider

from core.errors import BarsError, ProviderDownError, QuotaError, StockcastError
from core.settings import load_settings
from market.bars.quarantine import Quarantine
from market.store import BarStore
from pipelines.assets.market_data import build_daily_bars
from pipelines.partitions import all_partitions, follow_universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings

TICKERS = ("AAPL", "IBM", "MSFT")
START = date(2012, 6, 1)
# After the close of the sample's last session.
EVENING = datetime(2013, 3, 1, 23, tzinfo=UTC)
SPENT = QuotaError("All 25 calls are spent.", renews_at=datetime(2013, 3, 2, 5, tzinfo=UTC))


class AssetSetup:
    """The asset with its own store, and a run of all tickers of a provider."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.settings = load_settings(PipelineSettings, home=home)
        self.clock = MovingClock(EVENING)
        self.resources = build_resources(self.settings, self.clock)
        self.store: BarStore = self.resources["bar_store"]
        self.quarantine: Quarantine = self.resources["quarantine"]
        self.asset = build_daily_bars(self.settings)

    def ingest(self, provider: FakeProvider) -> dg.ExecuteInProcessResult:
        follow_universe(self.instance, provider.tickers())
        return dg.materialize(
            [self.asset],
            instance=self.instance,
            tags=all_partitions(self.instance),
            resources={**self.resources, "provider": provider},
            raise_on_error=False,
        )

    def attempt(self, provider: FakeProvider) -> dg.Failure:
        """Call the asset once, and return its failure."""
        follow_universe(self.instance, provider.tickers())
        first, *_, last = provider.tickers() * 2
        context = dg.build_asset_context(
            partition_key_range=dg.PartitionKeyRange(first, last), instance=self.instance
        )
        wanted = self.asset.required_resource_keys - {"io_manager", "provider"}
        with pytest.raises(dg.Failure) as caught:
            self.asset(
                context, provider=provider, **{name: self.resources[name] for name in wanted}
            )
        return caught.value


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[AssetSetup]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield AssetSetup(tmp_path, instance)


def bars_of(*tickers: str) -> dict[str, pl.DataFrame | StockcastError]:
    return {ticker: sample_bars(ticker, start=START) for ticker in tickers}


def metadata_by_ticker(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Return the metadata of each ticker."""
    return {
        str(e.partition): {name: value.value for name, value in e.metadata.items()}
        for e in result.asset_materializations_for_node("daily_bars")
    }


def test_all_tickers_are_stored_in_one_run(setup: AssetSetup) -> None:
    result = setup.ingest(FakeProvider(bars_of(*TICKERS)))

    assert result.success
    assert setup.store.read().equals(sample_bars(*TICKERS, start=START))


def test_every_ticker_has_metadata(setup: AssetSetup) -> None:
    metadata = metadata_by_ticker(setup.ingest(FakeProvider(bars_of("AAPL", "IBM"))))

    n = sample_bars("AAPL", start=START).height
    assert metadata.keys() == {"AAPL", "IBM"}
    assert metadata["AAPL"]["outcome"] == f"ingested: {n} new to 2013-03-01"
    assert metadata["AAPL"]["dagster/row_count"] == n
    assert metadata["AAPL"]["inserted"] == n
    assert metadata["AAPL"]["last_session"] == "2013-03-01"
    assert metadata["AAPL"]["sessions_behind"] == 0
    assert metadata["AAPL"]["quarantine"] == "No row was refused."


def test_a_second_run_changes_nothing(setup: AssetSetup) -> None:
    setup.ingest(FakeProvider(bars_of("AAPL")))
    metadata = metadata_by_ticker(setup.ingest(FakeProvider(bars_of("AAPL"))))

    assert metadata["AAPL"]["outcome"] == "nothing new"
    assert (metadata["AAPL"]["inserted"], metadata["AAPL"]["updated"]) == (0, 0)


def test_a_failed_ticker_is_named_and_does_not_stop_the_others(setup: AssetSetup) -> None:
    broken = BarsError("file prices.csv, row 3, column Close: 'abc' is not a number")
    result = setup.ingest(FakeProvider(bars_of("AAPL", "MSFT") | {"IBM": broken}))

    assert result.success
    assert setup.store.tickers() == ("AAPL", "MSFT")
    assert metadata_by_ticker(result)["IBM"]["outcome"] == f"failed: {broken}"
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("every_ticker_answered", False)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == f"IBM: {broken}"


def test_a_run_that_reaches_the_daily_cap_succeeds(setup: AssetSetup) -> None:
    result = setup.ingest(FakeProvider(bars_of("AAPL") | {"IBM": SPENT, "MSFT": SPENT}))

    assert result.success
    assert setup.store.tickers() == ("AAPL",)
    assert (
        metadata_by_ticker(result)["IBM"]["outcome"]
        == "deferred: waits for the budget to renew at 2013-03-02 05:00 UTC"
    )
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_a_run_without_a_remaining_call_succeeds(setup: AssetSetup) -> None:
    assert setup.ingest(FakeProvider({"AAPL": SPENT, "IBM": SPENT})).success


@pytest.mark.parametrize(
    ("errors", "retried"),
    [
        ((BarsError("unreadable"),), False),
        ((ProviderDownError("no answer"),), True),
        ((BarsError("unreadable"), ProviderDownError("no answer")), True),
    ],
)
def test_if_every_ticker_fails_only_transient_failures_are_retried(
    setup: AssetSetup, errors: tuple[StockcastError, ...], *, retried: bool
) -> None:
    failure = setup.attempt(FakeProvider({f"T{n}": error for n, error in enumerate(errors)}))

    assert failure.allow_retries is retried
    assert failure.description == "\n".join(f"T{n}: {e}" for n, e in enumerate(errors))


def test_a_stopped_run_is_not_retried(setup: AssetSetup) -> None:
    class Stopped(FakeProvider):
        def fetch(self, *_: object) -> pl.DataFrame:  # type: ignore[override]
            raise KeyboardInterrupt

    failure = setup.attempt(Stopped(bars_of("AAPL")))

    assert not failure.allow_retries
    assert "Ingested bars are kept" in str(failure.description)


def test_runs_with_the_same_provider_share_a_pool(tmp_path: Path) -> None:
    pools = {
        provider: build_daily_bars(
            load_settings(PipelineSettings, home=tmp_path, provider=provider, **more)
        ).op.pool
        for provider, more in {
            "sample": {},
            "yahoo": {"tickers": "AAPL"},
            "alpha_vantage": {"tickers": "AAPL", "alpha_vantage_key": "KEY"},
        }.items()
    }
    assert pools == {name: name for name in pools}


def test_refused_rows_are_quarantined_with_their_reason_until_they_are_corrected(
    setup: AssetSetup,
) -> None:
    good = sample_bars("AAPL", start=START)
    bad = good.with_columns(
        close=pl.when(pl.int_range(pl.len()) == 5).then(-1.0).otherwise(pl.col("close"))
    )
    result = setup.ingest(FakeProvider({"AAPL": bad}))

    refused = setup.quarantine.read(["AAPL"])
    (event,) = result.asset_materializations_for_node("daily_bars")
    assert refused["session"].to_list() == [good["session"][5]]
    assert event.metadata["refused"].value == 1
    assert refused["reason"][0] in event.metadata["quarantine"].value
    assert setup.store.read().height == good.height - 1

    setup.ingest(FakeProvider({"AAPL": good}))
    assert setup.quarantine.read(["AAPL"]).is_empty()
    assert setup.store.read().equals(good)


def test_a_run_without_partitions_ingests_the_universe(setup: AssetSetup) -> None:
    provider = FakeProvider(bars_of(*TICKERS))

    result = dg.materialize(
        [setup.asset],
        instance=setup.instance,
        resources={**setup.resources, "provider": provider},
        raise_on_error=False,
    )

    assert result.success
    assert set(setup.store.last_sessions()) == set(TICKERS)
    assert setup.instance.get_materialized_partitions(setup.asset.key) == set(TICKERS)
