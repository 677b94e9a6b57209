"""How likely the stored bars are: what was found, in counts, tables and one picture.

One step examines all followed tickers once and answers seven checks. A finding may be true, and no
bar is ever deleted or changed for it, so these checks warn and block nothing. A change of level by
about a hundred that no split explains is an error: the feature table leaves that ticker out until
its bars are mended, and no other has to wait.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg
import polars as pl

from core.clock import Clock
from market.calendars.exchanges import SessionsByTicker
from market.quality.findings import KINDS, Kind
from market.quality.report import QualityReport, examine_bars, merge_reports
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.reporting.plots import inline
from pipelines.reporting.quality_plot import quality_map, worst_first
from pipelines.reporting.tables import markdown_table

# A provider may be late with a session that has closed a moment ago.
ALLOWED_BEHIND = 1
# Bars of so many tickers are in memory at once.
TICKERS_AT_ONCE = 500
NAMES: dict[Kind, str] = {
    "level_change": "level_changes",
    "missing": "missing_sessions",
    "stuck": "stuck_prices",
    "outlier": "outliers",
    "zero_volume": "zero_volume",
}
ASKED: dict[Kind, str] = {
    "level_change": "No close is about 100 times the last one, or a hundredth, without a split.",
    "missing": "Between its first and last bar, no ticker lacks a session of its exchange.",
    "stuck": "No price stands still although shares were traded.",
    "outlier": "No return is far beyond what was usual for its ticker until then.",
    "zero_volume": "In every session some shares were traded; indices and currencies have none.",
}
MEND = "Mend the bars or record the split: until then the ticker is left out."

_SPECS = (
    dg.AssetCheckSpec("quality", asset=DAILY_BARS, description="All of these at one glance."),
    dg.AssetCheckSpec(
        "staleness",
        asset=DAILY_BARS,
        description=f"No ticker is more than {ALLOWED_BEHIND} session behind its exchange.",
    ),
    *(
        dg.AssetCheckSpec(
            NAMES[kind],
            asset=DAILY_BARS,
            description=ASKED[kind],
        )
        for kind in KINDS
    ),
)


@dg.multi_asset_check(name="daily_bars_quality", specs=_SPECS)
def bar_quality(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[MarketSettings],
    bar_store: dg.ResourceParam[BarStore],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Examine the bars of all followed tickers, and say what a person should look at."""
    followed = sorted(context.instance.get_dynamic_partitions("tickers"))
    stored = set(bar_store.tickers())
    report = _examine(
        bar_store,
        [ticker for ticker in followed if ticker in stored],
        SessionsByTicker(settings.exchange),
        clock.now(),
    )
    results = [
        _staleness(report, [ticker for ticker in followed if ticker not in stored]),
        *(_findings(report, kind) for kind in KINDS),
    ]
    overview = _overview(report, results)
    if not overview.passed:
        context.log.warning(overview.description)
    yield from (overview, *results)


def _examine(
    bar_store: BarStore, tickers: Sequence[str], sessions_of: SessionsByTicker, now: datetime
) -> QualityReport:
    return merge_reports(
        examine_bars(
            bar_store.read(tickers[at : at + TICKERS_AT_ONCE]), sessions_of=sessions_of, now=now
        )
        for at in range(0, max(1, len(tickers)), TICKERS_AT_ONCE)
    )


def _overview(report: QualityReport, results: Sequence[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    noticed = [str(result.check_name) for result in results if not result.passed]
    about = f"{report.tickers['bars'].sum():,} bars of {report.tickers.height:,} tickers"
    metadata: dict[str, dg.MetadataValue] = {
        "by_ticker": dg.MetadataValue.md(markdown_table(worst_first(report.tickers)))
    }
    if report.tickers.height:
        metadata = {"map": inline(quality_map(report), "quality of the daily bars"), **metadata}
    return _result(
        "quality",
        passed=not noticed,
        description=f"{about}: {', '.join(noticed) or 'nothing'} to look at.",
        metadata=metadata,
    )


def _staleness(report: QualityReport, without_bars: Sequence[str]) -> dg.AssetCheckResult:
    """Weigh how far behind each ticker is; one that has no bars at all yet is named."""
    by_ticker = report.tickers.select("ticker", "exchange", "last_session", "sessions_behind").sort(
        "sessions_behind", "ticker", descending=[True, False], nulls_last=True
    )
    late = by_ticker.filter(pl.col("sessions_behind") > ALLOWED_BEHIND)
    sentences = [_lateness(late, by_ticker.height)] if late.height else []
    if without_bars:
        sentences.append(f"Followed, but without bars yet: {_some(without_bars)}.")
    return _result(
        "staleness",
        passed=not sentences,
        description=" ".join(sentences) or "Every ticker is up to date with its exchange.",
        metadata={
            "tickers_behind": dg.MetadataValue.int(late.height),
            "sessions_behind": dg.MetadataValue.int(
                late.select(pl.max("sessions_behind")).item() or 0
            ),
            "by_ticker": dg.MetadataValue.md(markdown_table(by_ticker)),
        },
    )


def _lateness(late: pl.DataFrame, tickers: int) -> str:
    worst = late.row(0, named=True)
    behind = f"{worst['sessions_behind']:,} sessions behind"
    if late.height == tickers > 1 and late["last_session"].n_unique() == 1:
        return f"All {tickers:,} tickers end on {worst['last_session']}, {behind}."
    return (
        f"{late.height:,} of {tickers:,} tickers are behind, at worst {worst['ticker']}: "
        f"{behind}, its last bar is of {worst['last_session']}."
    )


def _findings(report: QualityReport, kind: Kind) -> dg.AssetCheckResult:
    """Return what was found of one kind: how much, where most, and the worst of it."""
    found = report.findings_of(kind)
    by_ticker = (
        report.tickers.filter(pl.col(kind) > 0)
        .select("ticker", sessions=kind, share=pl.col(kind) / pl.col("bars"))
        .sort("sessions", "ticker", descending=[True, False])
    )
    sessions = int(by_ticker["sessions"].sum())
    description = ASKED[kind]
    if found.height:
        count = f"{sessions:,} session{'s' if sessions > 1 else ''}"
        description = f"{count} in {by_ticker.height:,} of {report.tickers.height:,} tickers, "
        description += f"first of all {_told(found.row(0, named=True))}."
        description += f" {MEND}" if kind == "level_change" else ""
    listed = found.select("ticker", "first_session", "last_session", "sessions", "detail")
    return _result(
        NAMES[kind],
        passed=not found.height,
        severity=dg.AssetCheckSeverity.ERROR
        if kind == "level_change"
        else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={
            "sessions": dg.MetadataValue.int(sessions),
            "tickers": dg.MetadataValue.int(by_ticker.height),
            "by_ticker": dg.MetadataValue.md(markdown_table(by_ticker)),
            "found": dg.MetadataValue.md(markdown_table(listed)),
        },
    )


def _told(finding: dict[str, object]) -> str:
    first, last = finding["first_session"], finding["last_session"]
    span = f"{first}" if first == last else f"{first} to {last}, {finding['sessions']:,} sessions"
    detail = f" ({finding['detail']})" if finding["detail"] else ""
    return f"{finding['ticker']} {span}{detail}"


def _some(tickers: Sequence[str], most: int = 10) -> str:
    left = len(tickers) - most
    return ", ".join(tickers[:most]) + (f" and {left:,} more" if left > 0 else "")


def _result(
    name: str,
    *,
    passed: bool,
    description: str,
    metadata: dict[str, dg.MetadataValue],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=DAILY_BARS,
        check_name=name,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata,
    )
