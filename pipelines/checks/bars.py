"""Check of the share of refused rows, before features are computed from the stored bars.

Plausibility of stored bars is checked in `pipelines.checks.quality`.
"""

import dagster as dg

from market.bars.quarantine import Quarantine
from market.quality.refusals import ALLOWED_ROWS
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.reporting.tables import markdown_table
from pipelines.stages.usable_tickers import list_left_out, read_refusals


@dg.asset_check(
    asset=DAILY_BARS,
    blocking=True,
    description=(
        f"Few rows of each ticker violate the bar contract: at most STOCKCAST_REFUSED_SHARE, or "
        f"{ALLOWED_ROWS} rows. Other tickers are left out; the check blocks if none remains."
    ),
)
def few_refused_rows(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[MarketSettings],
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
) -> dg.AssetCheckResult:
    """Compare the number of refused rows with that of stored rows."""
    followed = context.instance.get_dynamic_partitions("tickers")
    refusals = read_refusals(followed, settings, bar_store, quarantine)
    left_out, stored = refusals.left_out, set(bar_store.tickers())
    is_any_left = not left_out or bool({*followed} & stored - {*left_out})
    worst = max(refusals.counts["refused_share"].to_list(), default=0.0)
    description = (
        f"At most {worst:.2%} of the rows of a ticker were refused; the limit is "
        f"{settings.refused_share:.0%}, or {ALLOWED_ROWS} rows."
    )
    if left_out:
        are = "1 ticker is" if len(left_out) == 1 else f"{len(left_out):,} tickers are"
        description = f"{are} left out. {list_left_out(left_out)}"
        context.log.warning(description)
    reasons = refusals.rows.group_by("reason").len("rows").sort("rows", descending=True)
    return dg.AssetCheckResult(
        passed=not left_out,
        severity=dg.AssetCheckSeverity.WARN if is_any_left else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={
            "by_ticker": dg.MetadataValue.md(markdown_table(refusals.counts)),
            "reasons": dg.MetadataValue.md(markdown_table(reasons)),
        },
    )
