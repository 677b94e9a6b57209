"""Bars from the provider into the store, one partition a ticker. No features here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from market.errors import PermanentError, StockcastError, TransientError
from market.ingest import IngestReport, ingest
from market.providers.base import Provider
from market.quarantine import Quarantine
from market.sessions import Sessions
from market.settings import Settings
from market.store import BarStore
from pipelines.failures import classed_failures
from pipelines.partitions import tickers
from pipelines.tables import markdown_table


@dg.asset(
    group_name="market_data",
    partitions_def=tickers,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="provider",
    kinds={"polars", "parquet"},
    owners=["team:market-data"],
    retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL),
)
def daily_bars(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    provider: dg.ResourceParam[Provider],
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
) -> dg.MaterializeResult[None]:
    """Daily bars as traded, checked against the bar contract; refused rows are kept apart."""
    now = datetime.now(UTC)
    sessions = Sessions(settings.exchange)
    failures: dict[str, StockcastError] = {}
    for ticker in context.partition_keys:
        try:
            report = ingest(
                ticker,
                provider=provider,
                store=bar_store,
                quarantine=quarantine,
                sessions=sessions,
                now=now,
            )
        except StockcastError as error:  # the other tickers must not wait for this one
            context.log.error(f"{ticker}: {error}")  # noqa: TRY400  the message says it all
            failures[ticker] = error
            continue
        context.add_asset_metadata(_metadata(report), partition_key=ticker)
        context.log.info(
            f"{ticker}: {report.bars:,} bars to {report.last_session}, "
            f"{report.stored.inserted:,} new, {report.quarantine.height} refused"
        )
    if failures:
        with classed_failures():
            raise _together(failures)
    return dg.MaterializeResult()


def _together(failures: Mapping[str, StockcastError]) -> StockcastError:
    """Return one error for all tickers that failed, worth another try if any of them is."""
    message = "\n".join(f"{ticker}: {error}" for ticker, error in failures.items())
    transient = any(isinstance(error, TransientError) for error in failures.values())
    return TransientError(message) if transient else PermanentError(message)


def _metadata(report: IngestReport) -> dict[str, Any]:
    return {
        "dagster/row_count": report.bars,
        "first_session": str(report.first_session),
        "last_session": str(report.last_session),
        "inserted": report.stored.inserted,
        "updated": report.stored.updated,
        "unchanged": report.stored.unchanged,
        "refused": report.quarantine.height,
        "quarantine": dg.MetadataValue.md(_quarantine_table(report)),
    }


def _quarantine_table(report: IngestReport) -> str:
    if not report.quarantine.height:
        return "No row was refused."
    shown = report.quarantine.select("session", "open", "high", "low", "close", "volume", "reason")
    return markdown_table(shown, most=20)
