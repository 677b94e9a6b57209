"""The decision to start a catch-up run, as a pure function."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from market.ingest.plan import IngestTask
from market.ingest.ticker_state import TickerState
from market.providers.status import CALLS_FOR_ACTIONS, ProviderState

# While its provider answers for others, a ticker that fails waits so long: trying costs calls.
AGAIN = timedelta(hours=12)


@dataclass(frozen=True)
class CatchUpPlan:
    """What a look found: a key for a run, or none; and why."""

    run_key: str | None
    reason: str


def plan_catch_up(
    tasks: Sequence[IngestTask],
    records: Mapping[str, TickerState],
    provider_status: Sequence[ProviderState],
    now: datetime,
    *,
    reserved_calls: int = 0,
) -> CatchUpPlan:
    """Decide whether a catch-up run can make progress, and compute its run key.

    Dagster drops a second run with the same key, so the key covers everything that the decision
    depends on. While the first provider is available, the key also contains the hour, which
    repeats a run that was lost.
    """
    due = [task for task in tasks if task.kind != "nothing"]
    if not due:
        return CatchUpPlan(None, "Every ticker is up to date.")
    eligible = [
        task for task in due if not _failed_alone(records.get(task.ticker), provider_status, now)
    ]
    if not eligible:
        hours = AGAIN.total_seconds() / 3600
        return CatchUpPlan(None, f"{waiting(due)} due, but failed less than {hours:g} hours ago.")
    first, *backups = provider_status
    # A backup on this machine was asked in the run that stopped, and has nothing newer.
    asked = [first, *(backup for backup in backups if backup.budget is not None)]
    calls = min_calls_for(eligible, reserved_calls)
    refusals = [account.refusal(now, calls) for account in asked]
    if all(refusals):
        return CatchUpPlan(None, f"{waiting(eligible)} due. {'; '.join(map(str, refusals))}.")
    # Without the first provider there is nothing new to hope for until it can be asked again.
    slot = refusals[0] or f"{now:%Y-%m-%dT%H}"
    state = [
        f"{t.ticker} {t.kind} {t.sessions_behind} {_requested_at(records, t)}" for t in eligible
    ]
    digest = hashlib.sha256("\n".join([slot, *sorted(state)]).encode()).hexdigest()[:16]
    return CatchUpPlan(f"catch-up-{digest}", f"{waiting(eligible)} due, and can be asked for.")


def min_calls_for(tasks: Sequence[IngestTask], reserved_calls: int) -> int:
    """Return how many calls must be left for a run to be worth it.

    One that is left is worth a bar, if no session closes before there are more calls. Else a bar
    that is caught up now costs a call, and tonight the same call brings both: then only if tonight
    has enough all the same.
    """
    n_bars = sum(task.kind != "actions" for task in tasks)
    if n_bars == 0:
        return reserved_calls + CALLS_FOR_ACTIONS
    return reserved_calls + n_bars if reserved_calls else 1


def waiting(tasks: Sequence[IngestTask]) -> str:
    """Return how many tickers have something to do, as the beginning of a reason."""
    n_tickers = len({task.ticker for task in tasks})
    return f"{n_tickers:,} tickers are" if n_tickers != 1 else f"{tasks[0].ticker} is"


def _failed_alone(
    record: TickerState | None, provider_status: Sequence[ProviderState], now: datetime
) -> bool:
    """Return whether a ticker failed lately, and not because the first provider is down."""
    if record is None or record.failed_at is None or now - record.failed_at >= AGAIN:
        return False
    breaker = provider_status[0].breaker
    return breaker is None or breaker.failures == 0


def _requested_at(records: Mapping[str, TickerState], task: IngestTask) -> datetime | None:
    record = records.get(task.ticker)
    return None if record is None else record.requested_at
