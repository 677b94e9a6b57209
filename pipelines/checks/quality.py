"""Checks of the plausibility of the stored bars, with counts, tables and one plot.

One step examines all followed tickers and returns eight checks. A finding may be correct data, and
no bar is deleted or changed because of it, so the checks warn and do not block. A change of level
by a factor of about 100 without a split, and a jump like an unlisted split, are errors: the feature
table leaves out that ticker, and only that ticker, until its bars are corrected.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg
import polars as pl

from core.clock import Clock
from core.isolation import find_faulty
from market.calendars.exchanges import SessionsByTicker
from market.quality.findings import KINDS, Kind
from market.quality.report import QualityReport, examine_bars, merge_reports
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.reporting.plots import inline
from pipelines.reporting.quality_plot import quality_map, worst_first
from pipelines.reporting.tables import markdown_table
from pipelines.stages.usable_tickers import list_left_out

# Providers may publish a session late.
ALLOWED_BEHIND = 1
# Limits the number of bars in memory.
TICKERS_AT_ONCE = 500
NAMES: dict[Kind, str] = {
    "level_change": "level_changes",
    "unlisted_split": "unlisted_splits",
    "missing": "missing_sessions",
    "stuck": "stuck_prices",
    "outlier": "outliers",
    "zero_volume": "zero_volume",
}
CHECK_DESCRIPTIONS: dict[Kind, str] = {
    "level_change": "Without a split, no close is about 100 times the previous one, or 1 % of it.",
    "unlisted_split": "No price jumps like a split or spin-off that its source does not list.",
    "missing": "No ticker misses a session of its exchange between its first and last bar.",
    "stuck": "No price is constant over sessions in which shares were traded.",
    "outlier": "No return is far larger than the usual returns of its ticker before.",
    "zero_volume": "Shares were traded in every session. Indices and currencies have no volume.",
}
# Kinds for which the ticker is left out of features, with the remedy.
HINTS: dict[Kind, str] = {
    "level_change": "Correct the bars or record the split; until then the ticker is left out.",
    "unlisted_split": "Record the split or spin-off in your files, or confirm the move in "
    "STOCKCAST_REAL_MOVES; until then the ticker is left out.",
}

_SPECS = (
    dg.AssetCheckSpec("quality", asset=DAILY_BARS, description="Overview of all quality checks."),
    dg.AssetCheckSpec(
        "staleness",
        asset=DAILY_BARS,
        description=f"No ticker is more than {ALLOWED_BEHIND} session behind its exchange.",
    ),
    *(
        dg.AssetCheckSpec(
            NAMES[kind],
            asset=DAILY_BARS,
            description=CHECK_DESCRIPTIONS[kind],
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
    """Examine the bars of all followed tickers, and report the findings."""
    followed = sorted(context.instance.get_dynamic_partitions("tickers"))
    stored = set(bar_store.tickers())
    report, not_examined = _examine(
        bar_store,
        [ticker for ticker in followed if ticker in stored],
        settings,
        clock.now(),
    )
    results = [
        _staleness(report, [ticker for ticker in followed if ticker not in stored]),
        *(_findings(report, kind) for kind in KINDS),
    ]
    overview = _overview(report, results, not_examined)
    if not overview.passed:
        context.log.warning(overview.description)
    yield from (overview, *results)


def _examine(
    bar_store: BarStore, tickers: Sequence[str], settings: MarketSettings, now: datetime
) -> tuple[QualityReport, dict[str, str]]:
    """Return the report, and the tickers that cannot be examined with the reasons."""

    def examine(some: Sequence[str]) -> QualityReport:
        return examine_bars(
            bar_store.read(some),
            sessions_of=SessionsByTicker.of_home(settings),
            now=now,
            real_moves=settings.real_moves,
        )

    reports, faulty = [examine([])], dict[str, str]()
    for at in range(0, len(tickers), TICKERS_AT_ONCE):
        part = tickers[at : at + TICKERS_AT_ONCE]
        try:
            reports.append(examine(part))
        except Exception:  # noqa: BLE001  # any fault of one ticker must spare the others
            faulty |= find_faulty(part, lambda ticker: examine([ticker]))
            reports.append(examine([ticker for ticker in part if ticker not in faulty]))
    return merge_reports(reports), faulty


def _overview(
    report: QualityReport,
    results: Sequence[dg.AssetCheckResult],
    not_examined: Mapping[str, str],
) -> dg.AssetCheckResult:
    failed = [_with_tickers(report, str(r.check_name)) for r in results if not r.passed]
    faults = f" Not examined: {list_left_out(not_examined)}" if not_examined else ""
    examined = f"{report.tickers['bars'].sum():,} bars of {report.tickers.height:,} tickers"
    metadata: dict[str, dg.MetadataValue] = {
        "by_ticker": dg.MetadataValue.md(markdown_table(worst_first(report.tickers)))
    }
    if report.tickers.height:
        metadata = {"map": inline(quality_map(report), "quality of the daily bars"), **metadata}
    return _result(
        "quality",
        passed=not failed and not not_examined,
        description=f"{examined}: {', '.join(failed) or 'no findings'}.{faults}",
        metadata=metadata,
    )


def _with_tickers(report: QualityReport, check: str) -> str:
    """Return the name of a failed check, with its tickers if these are left out of features."""
    kind = next((kind for kind in HINTS if NAMES[kind] == check), None)
    if kind is None:
        return check
    tickers = report.findings_of(kind)["ticker"].unique(maintain_order=True).to_list()
    return f"{check} ({_shortened(tickers)})"


def _staleness(report: QualityReport, without_bars: Sequence[str]) -> dg.AssetCheckResult:
    """Return how many sessions each ticker is behind, and the tickers without bars."""
    by_ticker = report.tickers.select("ticker", "exchange", "last_session", "sessions_behind").sort(
        "sessions_behind", "ticker", descending=[True, False], nulls_last=True
    )
    late = by_ticker.filter(pl.col("sessions_behind") > ALLOWED_BEHIND)
    sentences = [_lateness(late, by_ticker.height)] if late.height else []
    if without_bars:
        sentences.append(f"Followed tickers without bars: {_shortened(without_bars)}.")
    return _result(
        "staleness",
        passed=not sentences,
        description=" ".join(sentences) or "Every ticker is up to date.",
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
        f"{late.height:,} of {tickers:,} tickers are behind, most of all {worst['ticker']}: "
        f"{behind}, last bar {worst['last_session']}."
    )


def _findings(report: QualityReport, kind: Kind) -> dg.AssetCheckResult:
    """Return the findings of one kind: counts, tickers, and the worst finding."""
    findings = report.findings_of(kind)
    by_ticker = (
        report.tickers.filter(pl.col(kind) > 0)
        .select("ticker", sessions=kind, share=pl.col(kind) / pl.col("bars"))
        .sort("sessions", "ticker", descending=[True, False])
    )
    sessions = int(by_ticker["sessions"].sum())
    description = CHECK_DESCRIPTIONS[kind]
    if findings.height:
        count = f"{sessions:,} session{'s' if sessions > 1 else ''}"
        description = f"{count} in {by_ticker.height:,} of {report.tickers.height:,} tickers, "
        description += f"the worst is {_describe(findings.row(0, named=True))}."
        description += f" {HINTS[kind]}" if kind in HINTS else ""
    listed = findings.select("ticker", "first_session", "last_session", "sessions", "detail")
    return _result(
        NAMES[kind],
        passed=not findings.height,
        severity=dg.AssetCheckSeverity.ERROR if kind in HINTS else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={
            "sessions": dg.MetadataValue.int(sessions),
            "tickers": dg.MetadataValue.int(by_ticker.height),
            "by_ticker": dg.MetadataValue.md(markdown_table(by_ticker)),
            "findings": dg.MetadataValue.md(markdown_table(listed)),
        },
    )


def _describe(finding: dict[str, object]) -> str:
    first, last = finding["first_session"], finding["last_session"]
    span = f"{first}" if first == last else f"{first} to {last}, {finding['sessions']:,} sessions"
    detail = f" ({finding['detail']})" if finding["detail"] else ""
    return f"{finding['ticker']} {span}{detail}"


def _shortened(tickers: Sequence[str], most: int = 10) -> str:
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
