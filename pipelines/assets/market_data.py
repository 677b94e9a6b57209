"""Bars from the providers into the store, one partition a ticker. No features here."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from core.clock import Clock
from market.bars.quarantine import Quarantine
from market.ingest.batch import (
    BatchListener,
    TickerOutcome,
    ingest_all,
    raise_if_all_failed,
    summarize_failures,
    summarize_outcomes,
)
from market.ingest.report import IngestReport
from market.ingest.ticker_state import TickerStateStore
from market.providers.protocol import Provider
from market.providers.status import ProviderState, ProviderStatus, provider_table
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.failures import classed_failures, ended_when_stopped
from pipelines.partitions import tickers
from pipelines.reporting.tables import markdown_table
from pipelines.resources import make_ingest

# The name alone: the asset is made from the settings, and what needs it refers to it by this.
DAILY_BARS = dg.AssetKey("daily_bars")
EVERY_TICKER_ANSWERED = "every_ticker_answered"


class IngestConfig(dg.Config):
    """What a person may choose for one run."""

    force: bool = Field(
        default=False, description="Ask also for tickers that failed, or had no new bar, lately."
    )
    patient: bool = Field(
        default=True, description="When nobody answers, wait and try again instead of giving up."
    )


def build_daily_bars(settings: MarketSettings) -> dg.AssetsDefinition:
    """Return the asset of daily bars; runs that ask the same provider wait for each other.

    A ticker that fails holds up no other, but for your own files: a broken one is yours to mend.
    """
    must_answer = settings.providers == ("files",)
    answered = dg.AssetCheckSpec(
        EVERY_TICKER_ANSWERED,
        asset=DAILY_BARS,
        blocking=must_answer,
        description="No provider failed for any ticker; waiting for a budget is no failure.",
    )

    @dg.asset(
        group_name="market_data",
        partitions_def=tickers,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=settings.provider,
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        check_specs=[answered],
        retry_policy=dg.RetryPolicy(
            max_retries=2,
            # Half of the time longer than a provider that is down is left alone at first.
            delay=60,
            backoff=dg.Backoff.EXPONENTIAL,
            jitter=dg.Jitter.PLUS_MINUS,
        ),
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
        # Dagster refuses the annotation with a parameter beside a check of the asset's own.
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Daily bars as traded, checked against the bar contract; refused rows are kept apart."""
        ingest = make_ingest(
            settings,
            provider=provider,
            bar_store=bar_store,
            quarantine=quarantine,
            ticker_states=ticker_states,
            clock=clock,
        )
        followed = context.instance.get_dynamic_partitions("tickers")
        listener.begin(len(context.partition_keys))
        by_ticker: dict[str, TickerOutcome] = {}
        with ended_when_stopped(), classed_failures(may_retry=config.patient):
            for outcome in ingest_all(
                ingest,
                context.partition_keys,
                force=config.force,
                defer_actions=lambda: provider_status.hold_for_bars(followed),
            ):
                by_ticker[outcome.ticker] = outcome
                _log(context, outcome)
                listener.on_outcome(outcome)
            outcomes = list(by_ticker.values())
            raise_if_all_failed(outcomes)
            bar_store.compact()
        context.log.info(f"{summarize_outcomes(outcomes)}.")
        last = bar_store.last_sessions()
        for outcome in outcomes:
            told = _metadata(outcome, last.get(outcome.ticker))
            context.add_asset_metadata(told, partition_key=outcome.ticker)
        context.add_asset_metadata(_quota_metadata(provider_status.read()))
        return dg.MaterializeResult(check_results=[_check(outcomes, must_answer=must_answer)])

    return daily_bars


def _log(context: dg.AssetExecutionContext, outcome: TickerOutcome) -> None:
    line = f"{outcome.ticker}: {outcome.summary}"
    if outcome.failure is not None:
        context.log.error(line)
    elif outcome.outcome == "deferred":
        context.log.warning(line)
    else:
        context.log.info(line)


def _metadata(outcome: TickerOutcome, last: date | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "outcome": outcome.summary,
        "last_session": str(last),
        "sessions_behind": "all of them"
        if outcome.sessions_behind is None
        else outcome.sessions_behind,
    }
    report = outcome.report
    if report is None:
        return found
    found |= {
        "actions_through": str(report.actions_through or "not known"),
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in report.notes) or "None."),
    }
    if not report.bars and not report.quarantine.height:
        return found  # nothing was delivered: zeros would look like an empty answer
    return found | {
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
    shown = report.quarantine.select("session", "open", "high", "low", "close", "volume", "reason")
    return markdown_table(shown, most=20)


def _check(outcomes: Sequence[TickerOutcome], *, must_answer: bool) -> dg.AssetCheckResult:
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    return dg.AssetCheckResult(
        check_name=EVERY_TICKER_ANSWERED,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if must_answer else dg.AssetCheckSeverity.WARN,
        description=summarize_failures(failed) or f"{summarize_outcomes(outcomes)}.",
        metadata={"failed": len(failed), "asked": len(outcomes)},
    )


def _quota_metadata(provider_status: Sequence[ProviderState]) -> dict[str, Any]:
    """Return what is left of the first provider's day, and how all of them are."""
    first = provider_status[0].usage
    left = {} if first is None or first.left_today is None else {"calls_left": first.left_today}
    return {**left, "quota": dg.MetadataValue.md(markdown_table(provider_table(provider_status)))}
