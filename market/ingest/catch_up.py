"""The decision to start a catch-up run, as a pure function."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from market.ingest.plan import IngestTask
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
        Tasks of the followed tickers, see `market.ingest.plan.plan_tasks`.
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
        return CatchUpPlan(None, "Every ticker is up to date.")
    eligible = [
        task for task in due if not _is_backed_off(states.get(task.ticker), provider_status, now)
    ]
    if not eligible:
        hours = RETRY_AFTER.total_seconds() / 3600
        return CatchUpPlan(
            None, f"{_tickers_are(due)} due, but failed less than {hours:g} hours ago."
        )
    first, *backups = provider_status
    # A backup without a budget is local. The run that stopped has read it, so it has no news.
    candidates = [first, *(backup for backup in backups if backup.budget is not None)]
    calls = min_calls_for(eligible, reserved_calls)
    refusals = [provider.refusal(now, calls) for provider in candidates]
    if all(refusals):
        return CatchUpPlan(None, f"{_tickers_are(eligible)} due. {'; '.join(map(str, refusals))}.")
    # While the first provider is unavailable, its backups are tried once, not every hour.
    slot = refusals[0] or f"{now:%Y-%m-%dT%H}"
    progress = [
        f"{task.ticker} {task.kind} {task.sessions_behind} {_requested_at(states, task)}"
        for task in eligible
    ]
    digest = hashlib.sha256("\n".join([slot, *sorted(progress)]).encode()).hexdigest()[:16]
    return CatchUpPlan(
        f"catch-up-{digest}", f"{_tickers_are(eligible)} due, and requests are allowed."
    )


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
