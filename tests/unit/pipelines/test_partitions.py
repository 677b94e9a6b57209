"""One partition per followed ticker. Changes of the universe delete no history."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from core.errors import SettingsError
from core.settings import load_settings
from market.providers.sample.provider import SampleProvider
from market.settings import MarketSettings
from pipelines.partitions import (
    all_partitions,
    follow_universe,
    tickers,
    universe,
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dg.asset(partitions_def=tickers)
def price() -> None:
    """An asset of one ticker."""


@dg.asset(partitions_def=tickers, backfill_policy=dg.BackfillPolicy.single_run())
def prices() -> None:
    """An asset that is materialised for many tickers in one run."""


def test_the_universe_is_that_of_the_settings_or_of_the_provider() -> None:
    provider = SampleProvider()

    assert universe(load_settings(MarketSettings), provider) == provider.tickers()
    assert universe(load_settings(MarketSettings, tickers="msft, AAPL"), provider) == (
        "AAPL",
        "MSFT",
    )


def test_partitions_become_equal_to_the_followed_tickers(instance: dg.DagsterInstance) -> None:
    assert follow_universe(instance, ("AAPL", "IBM")) == ({"AAPL", "IBM"}, set())
    assert follow_universe(instance, ("IBM", "MSFT")) == ({"MSFT"}, {"AAPL"})
    assert follow_universe(instance, ("IBM", "MSFT")) == (set(), set())

    assert set(instance.get_dynamic_partitions("tickers")) == {"IBM", "MSFT"}


def test_partitions_follow_a_file_and_stay_while_it_cannot_be_read(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    file = tmp_path / "universe.txt"
    settings = load_settings(MarketSettings, universe=file)
    for text in ("AAPL\nAZN.L\n", "AZN.L\n005930.KS  # Samsung\n"):
        file.write_text(text)
        follow_universe(instance, universe(settings, SampleProvider()))
    assert set(instance.get_dynamic_partitions("tickers")) == {"005930.KS", "AZN.L"}

    file.write_text("")
    with pytest.raises(SettingsError, match="has no ticker"):
        universe(settings, SampleProvider())
    file.unlink()
    with pytest.raises(SettingsError, match="No such file"):
        universe(settings, SampleProvider())


def test_a_ticker_that_is_no_longer_followed_keeps_its_history(
    instance: dg.DagsterInstance,
) -> None:
    follow_universe(instance, ("AAPL", "IBM"))
    dg.materialize([price], instance=instance, partition_key="AAPL")
    follow_universe(instance, ("IBM",))
    follow_universe(instance, ("AAPL", "IBM"))

    assert instance.get_materialized_partitions(price.key) == {"AAPL"}


def test_the_run_tags_select_every_ticker_in_any_order(
    instance: dg.DagsterInstance,
) -> None:
    assert all_partitions(instance) == {}

    follow_universe(instance, ("MSFT", "ORCL"))
    follow_universe(instance, ("AAPL", "MSFT"))
    follow_universe(instance, ("AAPL", "GOOG", "MSFT"))

    dg.materialize([prices], instance=instance, tags=all_partitions(instance))

    assert instance.get_materialized_partitions(prices.key) == {"AAPL", "GOOG", "MSFT"}
