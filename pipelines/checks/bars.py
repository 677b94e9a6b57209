"""Check of the share of refused rows, before features are computed from the stored bars.

Plausibility of stored bars is checked in `pipelines.checks.quality`.
"""

import dagster as dg
import polars as pl

from market.bars.quarantine import Quarantine
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.reporting.tables import markdown_table

REFUSED_LIMIT = 0.01
# A ticker with a short history and one invalid row must not stop all others.
ALLOWED_ROWS = 5


@dg.asset_check(
    asset=DAILY_BARS,
    blocking=True,
    description=(
        f"At most {REFUSED_LIMIT:.0%} of the rows of each ticker, or {ALLOWED_ROWS} rows, violate "
        f"the bar contract."
    ),
)
def few_refused_rows(
    context: dg.AssetCheckExecutionContext,
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
) -> dg.AssetCheckResult:
    """Compare the number of refused rows with that of stored rows."""
    followed = context.instance.get_dynamic_partitions("tickers")
    stored = set(bar_store.tickers())
    refused = quarantine.read(followed)
    counts = (
        _bars_of(bar_store, [ticker for ticker in followed if ticker in stored])
        .join(refused.group_by("ticker").len("refused"), on="ticker", how="full", coalesce=True)
        .fill_null(0)
        .with_columns(refused_share=pl.col("refused") / (pl.col("bars") + pl.col("refused")))
        .sort("refused_share", "ticker", descending=[True, False])
    )
    worst = max(counts["refused_share"].to_list(), default=0.0)
    too_many = counts.filter(
        (pl.col("refused_share") > REFUSED_LIMIT) & (pl.col("refused") > ALLOWED_ROWS)
    )
    return dg.AssetCheckResult(
        passed=too_many.is_empty(),
        description=(
            f"At most {worst:.2%} of the rows of a ticker were refused; the limit is "
            f"{REFUSED_LIMIT:.0%}, or {ALLOWED_ROWS} rows."
        ),
        metadata={
            "by_ticker": dg.MetadataValue.md(markdown_table(counts)),
            "reasons": dg.MetadataValue.md(
                markdown_table(refused.group_by("reason").len("rows").sort("rows", descending=True))
            ),
        },
    )


def _bars_of(bar_store: BarStore, tickers: list[str]) -> pl.DataFrame:
    """Return `ticker` and its number of `bars`, reading the bars in parts."""
    empty = pl.DataFrame(schema={"ticker": pl.String, "bars": pl.get_index_type()})
    parts = bar_store.read_in_parts(tickers)
    return pl.concat([empty, *(part.group_by("ticker").len("bars") for part in parts)])
