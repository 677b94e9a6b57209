"""What must hold for the stored bars of the followed tickers before features are made from them.

How likely the bars are is looked at in `pipelines.checks.quality`.
"""

import dagster as dg
import polars as pl

from market.bars.quarantine import Quarantine
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.reporting.tables import markdown_table

REFUSED_LIMIT = 0.01
# A young ticker with one bad row must not stop all others.
FORGIVEN_ROWS = 5


@dg.asset_check(
    asset=DAILY_BARS,
    blocking=True,
    description=(
        f"At most {REFUSED_LIMIT:.0%} of each ticker's rows, or {FORGIVEN_ROWS} of them, break the "
        f"bar contract."
    ),
)
def few_refused_rows(
    context: dg.AssetCheckExecutionContext,
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
) -> dg.AssetCheckResult:
    """Compare what was refused with what was stored."""
    followed = context.instance.get_dynamic_partitions("tickers")
    known = set(bar_store.tickers())
    refused = quarantine.read(followed)
    counts = (
        _bars_of(bar_store, [ticker for ticker in followed if ticker in known])
        .join(refused.group_by("ticker").len("refused"), on="ticker", how="full", coalesce=True)
        .fill_null(0)
        .with_columns(refused_share=pl.col("refused") / (pl.col("bars") + pl.col("refused")))
        .sort("refused_share", "ticker", descending=[True, False])
    )
    worst = max(counts["refused_share"].to_list(), default=0.0)
    too_many = counts.filter(
        (pl.col("refused_share") > REFUSED_LIMIT) & (pl.col("refused") > FORGIVEN_ROWS)
    )
    return dg.AssetCheckResult(
        passed=too_many.is_empty(),
        description=(
            f"At worst {worst:.2%} of a ticker's rows were refused; {REFUSED_LIMIT:.0%} may be, "
            f"or {FORGIVEN_ROWS} rows."
        ),
        metadata={
            "by_ticker": dg.MetadataValue.md(markdown_table(counts)),
            "reasons": dg.MetadataValue.md(
                markdown_table(refused.group_by("reason").len("rows").sort("rows", descending=True))
            ),
        },
    )


def _bars_of(bar_store: BarStore, tickers: list[str]) -> pl.DataFrame:
    """Return `ticker` and its number of `bars`, without all of them in memory at once."""
    nothing = pl.DataFrame(schema={"ticker": pl.String, "bars": pl.get_index_type()})
    parts = bar_store.read_in_parts(tickers)
    return pl.concat([nothing, *(part.group_by("ticker").len("bars") for part in parts)])
