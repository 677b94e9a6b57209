"""Asset of the daily bars: ingest from the providers into the store, one partition per ticker."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from core.clock import Clock
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker, warn_of_ending_calendars
from market.ingest.batch import BatchListener, ingest_all
from market.ingest.outcome import (
    TickerOutcome,
    raise_if_all_failed,
    summarize_failures,
    summarize_outcomes,
)
from market.ingest.report import IngestReport
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.protocol import Provider
from market.providers.status import ProviderState, ProviderStatus, provider_table
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.failures import classed_failures, ended_when_stopped
from pipelines.partitions import follow_universe, tickers, universe
from pipelines.reporting.tables import markdown_table
from pipelines.resources import make_ingest

# Other modules refer to the asset by this key, because the asset itself depends on the settings.
DAILY_BARS = dg.AssetKey("daily_bars")
EVERY_TICKER_ANSWERED = "every_ticker_answered"
RETRY_POLICY = dg.RetryPolicy(
    max_retries=2,
    # The first wait is longer than the first pause of an open circuit breaker.
    delay=60,
    backoff=dg.Backoff.EXPONENTIAL,
    jitter=dg.Jitter.PLUS_MINUS,
)


_CHECK_SPEC = dg.AssetCheckSpec(
    EVERY_TICKER_ANSWERED,
    asset=DAILY_BARS,
    description="No provider failed for any ticker. A spent budget is not a failure.",
)


class IngestConfig(dg.Config):
    """Options of one run."""

    force: bool = Field(
        default=False,
        description="Request also tickers that recently failed or had no new bar.",
    )
    patient: bool = Field(
        default=True, description="Wait and retry if every provider fails, instead of giving up."
    )


def build_daily_bars(settings: MarketSettings) -> dg.AssetsDefinition:
    """Return the asset of daily bars. Runs with the same provider wait for each other.

    A failed ticker does not stop the others.
    """

    @dg.asset(
        group_name="market_data",
        partitions_def=tickers,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=settings.provider,
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        check_specs=[_CHECK_SPEC],
        retry_policy=RETRY_POLICY,
    )
    def daily_bars(
        context: dg.AssetExecutionContext,
        config: IngestConfig,
        settings: dg.ResourceParam[MarketSettings],
        provider: dg.ResourceParam[Provider],
        bar_store: dg.ResourceParam[BarStore],
        quarantine: dg.ResourceParam[Quarantine],
        ticker_states: dg.ResourceParam[TickerStateStore],
        provider_status: dg.ResourceParam[ProviderStatus],
        clock: dg.ResourceParam[Clock],
        listener: dg.ResourceParam[BatchListener],
        # Dagster rejects a parametrised annotation for an asset with a check of its own.
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Daily bars as traded, validated by the bar contract. Refused rows are quarantined."""
        ingest = make_ingest(
            settings,
            provider=provider,
            bar_store=bar_store,
            quarantine=quarantine,
            ticker_states=ticker_states,
            clock=clock,
        )
        with ended_when_stopped(), classed_failures(may_retry=config.patient):
            chosen = _chosen_tickers(context, settings, provider)
            _warn_of_ending_calendars(context, settings, chosen, clock)
            outcomes = _ingest_tickers(chosen, context, config, ingest, provider_status, listener)
            raise_if_all_failed(outcomes)
            bar_store.compact()
        context.log.info(f"{summarize_outcomes(outcomes)}.")
        last_sessions = bar_store.last_sessions()
        for outcome in outcomes:
            _record(context, outcome, _metadata(outcome, last_sessions.get(outcome.ticker)))
        context.add_asset_metadata(_quota_metadata(provider_status.read()))
        return dg.MaterializeResult(check_results=[_check(outcomes)])

    return daily_bars


def _warn_of_ending_calendars(
    context: dg.AssetExecutionContext,
    settings: MarketSettings,
    chosen: Sequence[str],
    clock: Clock,
) -> None:
    sessions_of = SessionsByTicker.of_home(settings)
    for warning in warn_of_ending_calendars(chosen, sessions_of, clock.now()):
        context.log.warning(warning)


def _chosen_tickers(
    context: dg.AssetExecutionContext, settings: MarketSettings, provider: Provider
) -> Sequence[str]:
    """Return the tickers of the run; a run without partitions is for the whole universe."""
    if _has_partitions(context):
        return list(context.partition_keys)
    follow_universe(context.instance, universe(settings, provider))
    return list(context.instance.get_dynamic_partitions("tickers"))


def _ingest_tickers(
    chosen: Sequence[str],
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    ingest: Ingest,
    provider_status: ProviderStatus,
    listener: BatchListener,
) -> list[TickerOutcome]:
    """Ingest the tickers of the run, and return the last outcome of each."""
    followed = context.instance.get_dynamic_partitions("tickers")
    listener.begin(len(chosen))
    by_ticker: dict[str, TickerOutcome] = {}
    for outcome in ingest_all(
        ingest,
        chosen,
        force=config.force,
        defer_actions=lambda: provider_status.hold_for_bars(followed),
    ):
        by_ticker[outcome.ticker] = outcome
        _log(context, outcome)
        listener.on_outcome(outcome)
    return list(by_ticker.values())


def _has_partitions(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)


def _record(
    context: dg.AssetExecutionContext, outcome: TickerOutcome, metadata: dict[str, Any]
) -> None:
    """Attach the metadata of a ticker to its partition."""
    if _has_partitions(context):
        context.add_asset_metadata(metadata, partition_key=outcome.ticker)
    else:
        context.log_event(
            dg.AssetMaterialization(DAILY_BARS, metadata=metadata, partition=outcome.ticker)
        )


def _log(context: dg.AssetExecutionContext, outcome: TickerOutcome) -> None:
    line = f"{outcome.ticker}: {outcome.summary}"
    if outcome.failure is not None:
        context.log.error(line)
    elif outcome.outcome == "deferred":
        context.log.warning(line)
    else:
        context.log.info(line)


def _metadata(outcome: TickerOutcome, last: date | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "outcome": outcome.summary,
        "last_session": str(last),
        "sessions_behind": "no bars yet"
        if outcome.sessions_behind is None
        else outcome.sessions_behind,
    }
    report = outcome.report
    if report is None:
        return metadata
    metadata |= {
        "actions_through": str(report.actions_through or "unknown"),
        "notes": dg.MetadataValue.md(
            "\n".join(f"- {note}" for note in (*report.set_aside, *report.notes)) or "No notes."
        ),
    }
    if not report.bars and not report.quarantine.height:
        return metadata  # nothing was fetched, so counts of zero would be misleading
    return metadata | {
        "dagster/row_count": report.bars,
        "first_session": str(report.first_session),
        "inserted": report.stored.inserted,
        "updated": report.stored.updated,
        "unchanged": report.stored.unchanged,
        "refused": report.quarantine.height,
        "sources": dg.MetadataValue.json(report.sources),
        "restated": report.restated,
        "quarantine": dg.MetadataValue.md(_quarantine_table(report)),
    }


def _quarantine_table(report: IngestReport) -> str:
    if not report.quarantine.height:
        return "No row was refused."
    rows = report.quarantine.select("session", "open", "high", "low", "close", "volume", "reason")
    return markdown_table(rows, most=20)


def _check(outcomes: Sequence[TickerOutcome]) -> dg.AssetCheckResult:
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    return dg.AssetCheckResult(
        check_name=EVERY_TICKER_ANSWERED,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=summarize_failures(failed) or f"{summarize_outcomes(outcomes)}.",
        metadata={"failed": len(failed), "tickers": len(outcomes)},
    )


def _quota_metadata(provider_status: Sequence[ProviderState]) -> dict[str, Any]:
    """Return the remaining calls of the first provider, and the status of all providers."""
    usage = provider_status[0].usage
    left = {} if usage is None or usage.left_today is None else {"calls_left": usage.left_today}
    return {**left, "quota": dg.MetadataValue.md(markdown_table(provider_table(provider_status)))}
