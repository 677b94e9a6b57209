"""Partitions of the market data assets: one per ticker of the followed universe."""

from collections.abc import Sequence

import dagster as dg

from market.ingest.universe import followed_tickers
from market.providers.protocol import Provider
from market.settings import MarketSettings

tickers = dg.DynamicPartitionsDefinition(name="tickers")

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
NO_TICKERS = "No ticker is followed yet; switch on `universe_sensor`."


def universe(settings: MarketSettings, provider: Provider) -> tuple[str, ...]:
    """Return the followed tickers; see `market.ingest.universe.followed_tickers`."""
    return followed_tickers(settings, provider)


def follow_universe(
    instance: dg.DagsterInstance, wanted: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Make the partitions equal to `wanted`; return the added and the removed tickers."""
    present = set(instance.get_dynamic_partitions("tickers"))
    added, removed = set(wanted) - present, present - set(wanted)
    if added:
        instance.add_dynamic_partitions("tickers", sorted(added))
    for ticker in removed:
        instance.delete_dynamic_partition("tickers", ticker)
    return added, removed


def all_partitions(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the run tags that select every ticker for one run."""
    present = instance.get_dynamic_partitions("tickers")
    return {RANGE_START: present[0], RANGE_END: present[-1]} if present else {}
