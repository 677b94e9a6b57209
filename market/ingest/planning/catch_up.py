"""The decision to start a catch-up run, as a pure function."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from market.bars.contract import IN_FUTURE
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.ticker_state import TickerState
from market.providers.status import CALLS_FOR_ACTIONS, ProviderState

# Wait before a retry of a ticker that failed while its provider was up, because retries cost calls.
RETRY_AFTER = timedelta(hours=12)


@dataclass(frozen=True)
class CatchUpPlan:
    """The decision on a catch-up run.

    Attributes
    ----------
    run_key
        Key of the run, None for no run.
    reason
        A sentence that explains the decision.
    """

    run_key: str | None
    reason: str


UP_TO_DATE = CatchUpPlan(None, "Every ticker is up to date.")


def plan_catch_up(
    tasks: Sequence[IngestTask],
    states: Mapping[str, TickerState],
    provider_status: Sequence[ProviderState],
    now: datetime,
    *,
    reserved_calls: int = 0,
) -> CatchUpPlan:
    """Decide whether a catch-up run can make progress, and compute its run key.

    Dagster drops a second run with the same key, so the key covers everything that the decision
    depends on. While the first provider is available, the key also contains the hour, which
    repeats a run that was lost.

    Parameters
    ----------
    tasks
        Tasks of the followed tickers, see `market.ingest.planning.plan.plan_tasks`.
    states
        States of the tickers.
    provider_status
        States of the selected providers, the first provider first.
    now
        Current instant, with a time zone.
    reserved_calls
        Number of today's calls that sessions still to close will need, see `min_calls_for`.
    """
    due = [task for task in tasks if task.kind not in ("nothing", "blocked")]
    if not due:
        return UP_TO_DATE
    eligible = [
        task for task in due if not _is_backed_off(states.get(task.ticker), provider_status, now)
    ]
    if not eligible:
        hours = RETRY_AFTER.total_seconds() / 3600
        return CatchUpPlan(
            None, f"{_tickers_are(due)} due, but failed less than {hours:g} hours ago."
        )
    refusals = _refusals(provider_status, min_calls_for(eligible, reserved_calls), now)
    if all(refusals):
        return CatchUpPlan(None, f"{_tickers_are(eligible)} due. {'; '.join(map(str, refusals))}.")
    # While the first provider is unavailable, its backups are tried once, not every hour.
    key = _run_key(eligible, states, refusals[0] or f"{now:%Y-%m-%dT%H}")
    return CatchUpPlan(key, f"{_tickers_are(eligible)} due, and requests are allowed.")


def _refusals(
    provider_status: Sequence[ProviderState], calls: int, now: datetime
) -> list[str | None]:
    """Return why each provider that may have news cannot be requested, None if it can."""
    first, *backups = provider_status
    # A backup without a budget is local. The run that stopped has read it, so it has no news.
    candidates = [first, *(backup for backup in backups if backup.budget is not None)]
    return [provider.refusal(now, calls) for provider in candidates]


def _run_key(tasks: Sequence[IngestTask], states: Mapping[str, TickerState], slot: str) -> str:
    progress = [
        f"{task.ticker} {task.kind} {task.sessions_behind} {_requested_at(states, task)}"
        for task in tasks
    ]
    digest = hashlib.sha256("\n".join([slot, *sorted(progress)]).encode()).hexdigest()[:16]
    return f"catch-up-{digest}"


def has_new_data(
    recorded: str | None, version: str, refused: pl.DataFrame, last_closed: date
) -> bool:
    """Decide whether an ingest of local data, which costs no call, can change a ticker's bars.

    This holds if the data has changed since the last ingest of the ticker, or if a session has
    closed and its bar was refused because it was in progress. Old bars alone are no reason: the
    sample ends in 2013.

    Parameters
    ----------
    recorded
        Version of the data at the last ingest, None if it is not known.
    version
        Present version of the data, see `market.providers.protocol.LocalProvider.source_version`.
    refused
        Refused rows of the ticker, `market.bars.quarantine.QUARANTINE_SCHEMA`.
    last_closed
        Last closed session of the ticker's exchange.
    """
    if recorded is None:
        return False
    was_early = pl.col("reason").str.contains(IN_FUTURE, literal=True)
    has_closed = was_early & (pl.col("session") <= last_closed)
    return recorded != version or not refused.filter(has_closed).is_empty()


def plan_local_catch_up(
    tickers: Collection[str], states: Mapping[str, TickerState], version: str, slot: str
) -> CatchUpPlan:
    """Compute the key of a run that ingests the local data of `tickers`.

    Parameters
    ----------
    version
        As in `has_new_data`.
    slot
        Part of the key that changes with time, such as the hour: a run that was lost or failed is
        repeated then.
    """
    requested = [f"{t} {states[t].requested_at if t in states else None}" for t in sorted(tickers)]
    text = "\n".join([version, slot, *requested])
    key = f"catch-up-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return CatchUpPlan(key, f"The local data of {', '.join(sorted(tickers)[:8])} is new.")


def min_calls_for(tasks: Sequence[IngestTask], reserved_calls: int) -> int:
    """Return the number of calls that must be left for a run to be useful.

    One call is enough for a bar if no session closes before the budget renews. Otherwise a bar
    that is caught up now costs a call, while a call after the close fetches both bars. The run is
    then useful only if enough calls remain for the bars after the close.
    """
    n_bars = sum(task.kind != "actions" for task in tasks)
    if n_bars == 0:
        return reserved_calls + CALLS_FOR_ACTIONS
    return reserved_calls + n_bars if reserved_calls else 1


def _tickers_are(tasks: Sequence[IngestTask]) -> str:
    n_tickers = len({task.ticker for task in tasks})
    return f"{n_tickers:,} tickers are" if n_tickers != 1 else f"{tasks[0].ticker} is"


def _is_backed_off(
    state: TickerState | None, provider_status: Sequence[ProviderState], now: datetime
) -> bool:
    """Return whether a ticker failed recently while the first provider was up."""
    if state is None or state.failed_at is None or now - state.failed_at >= RETRY_AFTER:
        return False
    breaker = provider_status[0].breaker
    return breaker is None or breaker.failures == 0


def _requested_at(states: Mapping[str, TickerState], task: IngestTask) -> datetime | None:
    state = states.get(task.ticker)
    return None if state is None else state.requested_at
