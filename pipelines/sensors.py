"""What happens because something changed: drift, the universe, a budget that is there again."""

from datetime import timedelta

import dagster as dg

from core.clock import Clock
from core.errors import StockcastError
from market.calendars.exchanges import SessionsByTicker
from market.ingest.catch_up import plan_catch_up
from market.ingest.plan import plan_tasks
from market.ingest.ticker_state import TickerStateStore
from market.providers.protocol import Provider
from market.providers.status import HOURS_AFTER_CLOSE, ProviderStatus
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.jobs import daily_job, ingest_job, training_job
from pipelines.partitions import RANGE_END, RANGE_START, all_partitions, tickers, universe
from pipelines.settings import PipelineSettings

# An hour after the schedule, so that what comes in by it is not asked for twice.
PATIENCE = timedelta(hours=HOURS_AFTER_CLOSE + 1)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.asset_sensor(
    asset_key=dg.AssetKey("drift_report"),
    job=training_job,
    name="drift_sensor",
    description="Asks for retraining when too many features drifted; once a state of the data.",
)
def drift_sensor(
    context: dg.SensorEvaluationContext,
    asset_event: dg.EventLogEntry,
    settings: dg.ResourceParam[PipelineSettings],
) -> dg.RunRequest | dg.SkipReason:
    """Ask for retraining, with a run key that Dagster remembers for this state of the data."""
    materialization = asset_event.asset_materialization
    if materialization is None:
        return dg.SkipReason("The drift report was observed, not made.")
    share = float(materialization.metadata["drift_share"].value)  # type: ignore[arg-type]
    data = str(materialization.metadata["data_fingerprint"].value)
    if share < settings.drift_share:
        return dg.SkipReason(
            f"{share:.0%} of the features drifted; {settings.drift_share:.0%} ask for retraining."
        )
    context.log.info(f"{share:.0%} of the features drifted: asking for retraining.")
    return dg.RunRequest(run_key=f"drift-{data}", tags={"stockcast/reason": f"drift {share:.0%}"})


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=60,
    description="Keeps the partitions equal to the followed tickers, and takes in the new ones.",
)
def universe_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[MarketSettings],
    provider: dg.ResourceParam[Provider],
) -> dg.SensorResult | dg.SkipReason:
    """Add the partitions of new tickers and drop those of old ones; their history is kept."""
    try:
        wanted = set(universe(settings, provider))
    except StockcastError as error:
        return dg.SkipReason(f"The followed tickers stay as they are. {error}")
    present = set(context.instance.get_dynamic_partitions("tickers"))
    added, removed = sorted(wanted - present), sorted(present - wanted)
    if not added and not removed:
        return dg.SkipReason(f"All {len(wanted)} tickers are followed.")
    requests, runs = [], []
    if added:
        requests.append(tickers.build_add_request(added))
        # New partitions come last and stand together, so that one run takes them all.
        runs.append(dg.RunRequest(tags={RANGE_START: added[0], RANGE_END: added[-1]}))
    if removed:
        requests.append(tickers.build_delete_request(removed))  # type: ignore[arg-type]
    return dg.SensorResult(run_requests=runs, dynamic_partitions_requests=requests)


@dg.sensor(
    job=daily_job,
    minimum_interval_seconds=300,
    description="Takes in what a spent budget or a failure left undone, once that can succeed.",
)
def catch_up_sensor(
    context: dg.SensorEvaluationContext,
    *,
    settings: dg.ResourceParam[MarketSettings],
    provider: dg.ResourceParam[Provider],
    bar_store: dg.ResourceParam[BarStore],
    ticker_states: dg.ResourceParam[TickerStateStore],
    provider_status: dg.ResourceParam[ProviderStatus],
    clock: dg.ResourceParam[Clock],
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run of all tickers, which takes the most overdue ones first."""
    partitions = all_partitions(context.instance)
    if not partitions:
        return dg.SkipReason("No ticker is followed yet; switch `universe_sensor` on.")
    if running := _ingesting(context.instance):
        return dg.SkipReason(f"Run {running} takes bars in.")
    now, sessions_of = clock.now(), SessionsByTicker(settings.exchange)
    followed = context.instance.get_dynamic_partitions("tickers")
    stored, known = bar_store.last_sessions(), ticker_states.read()
    tasks = [
        task
        for task in plan_tasks(
            followed,
            stored,
            known,
            sessions_of,
            now,
            has_separate_actions=getattr(provider, "has_separate_actions", False),
        )
        if task.kind == "actions"
        or task.ticker not in stored
        or stored[task.ticker] < sessions_of(task.ticker).last_closed(now - PATIENCE)
    ]
    chance = plan_catch_up(
        tasks,
        known,
        provider_status.read(),
        now,
        reserved_calls=provider_status.reserved_for_bars(followed),
    )
    if chance.run_key is None:
        return dg.SkipReason(chance.reason)
    context.log.info(chance.reason)
    return dg.RunRequest(run_key=chance.run_key, tags=partitions)


def _ingesting(instance: dg.DagsterInstance) -> str | None:
    """Return the id of a run that takes bars in or waits for it, if there is one."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.asset_selection is None or DAILY_BARS in run.asset_selection:
            return run.run_id
    return None
