"""Sensors: retraining on drift, the followed universe, and the catch-up of missing bars."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import dagster as dg

from core.clock import Clock
from core.errors import StockcastError
from core.isolation import find_faulty
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.ingest.planning.catch_up import (
    UP_TO_DATE,
    CatchUpPlan,
    has_new_data,
    plan_catch_up,
    plan_local_catch_up,
)
from market.ingest.planning.plan import plan_tasks
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.ticker_state import TickerStateStore
from market.providers.failover.chain import ProviderChain
from market.providers.protocol import LocalProvider, Provider
from market.providers.status import HOURS_AFTER_CLOSE, ProviderStatus
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.assets.monitoring import DATA_FINGERPRINT, DRIFT_SHARE
from pipelines.jobs import daily_job, ingest_job, training_job
from pipelines.partitions import (
    NO_TICKERS,
    RANGE_END,
    RANGE_START,
    all_partitions,
    tickers,
    universe,
)
from pipelines.settings import PipelineSettings

# One hour after the schedule, so the sensor does not repeat its requests.
GRACE_PERIOD = timedelta(hours=HOURS_AFTER_CLOSE + 1)
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
    description="Retrains when too many features drifted, once for each state of the data.",
)
def drift_sensor(
    context: dg.SensorEvaluationContext,
    asset_event: dg.EventLogEntry,
    settings: dg.ResourceParam[PipelineSettings],
) -> dg.RunRequest | dg.SkipReason:
    """Request a training run; its run key prevents a second run for the same data."""
    materialization = asset_event.asset_materialization
    if materialization is None:
        return dg.SkipReason("The drift report was observed, not materialised.")
    share = float(materialization.metadata[DRIFT_SHARE].value)  # type: ignore[arg-type]
    data = str(materialization.metadata[DATA_FINGERPRINT].value)
    if share < settings.drift_share:
        return dg.SkipReason(
            f"{share:.0%} of the features drifted, retraining starts at {settings.drift_share:.0%}."
        )
    context.log.info(f"{share:.0%} of the features drifted; retraining starts.")
    return dg.RunRequest(run_key=f"drift-{data}", tags={"stockcast/reason": f"drift {share:.0%}"})


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=60,
    description="Keeps the partitions equal to the followed tickers, and ingests new tickers.",
)
def universe_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[MarketSettings],
    provider: dg.ResourceParam[Provider],
) -> dg.SensorResult | dg.SkipReason:
    """Add partitions of new tickers and delete those of removed ones; their bars are kept."""
    try:
        wanted = set(universe(settings, provider))
    except StockcastError as error:
        return dg.SkipReason(f"The followed tickers are unchanged. {error}")
    present = set(context.instance.get_dynamic_partitions("tickers"))
    added, removed = sorted(wanted - present), sorted(present - wanted)
    if not added and not removed:
        return dg.SkipReason(f"No change: {len(wanted)} tickers are followed.")
    requests, runs = [], []
    if added:
        requests.append(tickers.build_add_request(added))
        # New partitions are added at the end, so one range covers them all.
        runs.append(dg.RunRequest(tags={RANGE_START: added[0], RANGE_END: added[-1]}))
    if removed:
        requests.append(tickers.build_delete_request(removed))  # type: ignore[arg-type]
    return dg.SensorResult(run_requests=runs, dynamic_partitions_requests=requests)


@dg.sensor(
    job=daily_job,
    minimum_interval_seconds=300,
    description="Ingests bars that are missing after a spent budget or a failure, when possible.",
)
def catch_up_sensor(
    context: dg.SensorEvaluationContext,
    *,
    settings: dg.ResourceParam[MarketSettings],
    provider: dg.ResourceParam[Provider],
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
    ticker_states: dg.ResourceParam[TickerStateStore],
    provider_status: dg.ResourceParam[ProviderStatus],
    clock: dg.ResourceParam[Clock],
) -> dg.RunRequest | dg.SkipReason:
    """Request a run of all tickers, which ingests the most overdue ones first."""
    partitions = all_partitions(context.instance)
    if not partitions:
        return dg.SkipReason(NO_TICKERS)
    if run_id := _active_ingest_run(context.instance):
        return dg.SkipReason(f"Run {run_id} ingests bars.")
    now, sessions_of = clock.now(), SessionsByTicker.of_home(settings)
    followed = context.instance.get_dynamic_partitions("tickers")
    states = ticker_states.read()
    tasks = plan_tasks(
        followed,
        bar_store.last_sessions(),
        states,
        sessions_of,
        now,
        has_separate_actions=getattr(provider, "has_separate_actions", False),
    )
    overdue = _overdue(tasks, bar_store, sessions_of, now)
    if isinstance(provider, LocalProvider):
        due = {task.ticker for task in overdue}
        catch_up = _plan_local(
            provider,
            followed,
            due,
            ticker_states=ticker_states,
            quarantine=quarantine,
            sessions_of=sessions_of,
            now=now,
        )
    else:
        catch_up = _plan_changed_files(provider, tasks, ticker_states, now)
        if catch_up.run_key is None:
            catch_up = plan_catch_up(
                overdue,
                states,
                provider_status.read(),
                now,
                reserved_calls=provider_status.reserved_for_bars(followed),
            )
    if catch_up.run_key is None:
        return dg.SkipReason(catch_up.reason)
    context.log.info(catch_up.reason)
    return dg.RunRequest(run_key=catch_up.run_key, tags=partitions)


def _overdue(
    tasks: Sequence[IngestTask],
    bar_store: BarStore,
    sessions_of: Callable[[str], Sessions],
    now: datetime,
) -> list[IngestTask]:
    """Return the tasks that the schedule should have executed."""
    last_stored = bar_store.last_sessions()
    return [
        task
        for task in tasks
        if task.kind != "blocked"
        and (
            task.kind == "actions"
            or task.ticker not in last_stored
            or last_stored[task.ticker] < sessions_of(task.ticker).last_closed(now - GRACE_PERIOD)
        )
    ]


def _plan_local(
    provider: LocalProvider,
    followed: Sequence[str],
    overdue: set[str],
    *,
    ticker_states: TickerStateStore,
    quarantine: Quarantine,
    sessions_of: Callable[[str], Sessions],
    now: datetime,
) -> CatchUpPlan:
    """Decide whether a run can find new local data, which costs no call to read."""
    try:
        version = provider.source_version()
    except StockcastError as error:
        return CatchUpPlan(None, str(error))
    recorded = ticker_states.source_versions()
    due = overdue - recorded.keys()

    def add_if_new(ticker: str) -> None:
        refused, closed = quarantine.read([ticker]), sessions_of(ticker).last_closed(now)
        if has_new_data(recorded.get(ticker), version, refused, closed):
            due.add(ticker)

    find_faulty(followed, add_if_new)  # a run of the others names the faulty tickers
    if due:
        return plan_local_catch_up(due, ticker_states.read(), version, f"{now:%Y-%m-%dT%H}")
    if overdue:
        msg = f"The data of {provider.name} has not changed since its ingest."
        return CatchUpPlan(None, msg)
    return UP_TO_DATE


def _plan_changed_files(
    provider: Provider,
    tasks: Sequence[IngestTask],
    ticker_states: TickerStateStore,
    now: datetime,
) -> CatchUpPlan:
    """Decide whether a run must compare stored bars with changed files of a chain."""
    try:
        version = provider.local_version() if isinstance(provider, ProviderChain) else None
    except StockcastError:
        version = None  # the other providers may deliver
    recorded = ticker_states.source_versions()
    changed = {
        task.ticker
        for task in tasks
        if task.kind != "blocked" and recorded.get(task.ticker, version) != version
    }
    if version is None or not changed:
        return UP_TO_DATE
    # A run may also request bars, and a rejected key stops it, so it is repeated once a day only.
    return plan_local_catch_up(changed, ticker_states.read(), version, f"{now:%Y-%m-%d}")


def _active_ingest_run(instance: dg.DagsterInstance) -> str | None:
    """Return the id of a queued or running run that includes `daily_bars`, or None."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.asset_selection is None or DAILY_BARS in run.asset_selection:
            return run.run_id
    return None
