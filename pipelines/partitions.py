"""How the market's assets are cut: one partition a ticker of the followed universe."""

from collections.abc import Sequence

import dagster as dg

from market.ingest.universe import followed_tickers
from market.providers.protocol import Provider
from market.settings import MarketSettings

tickers = dg.DynamicPartitionsDefinition(name="tickers")

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def universe(settings: MarketSettings, provider: Provider) -> tuple[str, ...]:
    """Return the tickers that Stockcast follows; see `market.ingest.universe.followed_tickers`."""
    return followed_tickers(settings, provider)


def follow_universe(
    instance: dg.DagsterInstance, wanted: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Make the partitions equal to `wanted`; return those added and those removed."""
    present = set(instance.get_dynamic_partitions("tickers"))
    added, removed = set(wanted) - present, present - set(wanted)
    if added:
        instance.add_dynamic_partitions("tickers", sorted(added))
    for ticker in removed:
        instance.delete_dynamic_partition("tickers", ticker)
    return added, removed


def all_partitions(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the run tags that take every ticker in one run."""
    present = instance.get_dynamic_partitions("tickers")
    return {RANGE_START: present[0], RANGE_END: present[-1]} if present else {}
