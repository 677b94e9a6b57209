"""Whether what was left undone could be taken in now, and under which key to ask for it. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from market.ingest.plan import Task
from market.ingest.ticker_state import TickerRecord
from market.providers.status import CALLS_FOR_ACTIONS, ProviderState

# While its provider answers for others, a ticker that fails waits so long: trying costs calls.
AGAIN = timedelta(hours=12)


@dataclass(frozen=True)
class CatchUpPlan:
    """What a look found: a key for a run, or none; and why."""

    run_key: str | None
    sentence: str


def plan_catch_up(
    tasks: Sequence[Task],
    records: Mapping[str, TickerRecord],
    provider_status: Sequence[ProviderState],
    now: datetime,
    *,
    kept: int = 0,
) -> CatchUpPlan:
    """Decide whether a run would get further than the one before it.

    The key names all that the answer depends on, so that Dagster drops a repeat. While the first
    provider could be asked it also names the hour: a run that was lost is asked for again.
    `kept` calls of the day will be needed for bars that are yet to come; see `calls_for`.
    """
    due = [task for task in tasks if task.wants != "nothing"]
    if not due:
        return CatchUpPlan(None, "Every ticker is up to date.")
    hopeful = [
        task for task in due if not _failed_alone(records.get(task.ticker), provider_status, now)
    ]
    if not hopeful:
        hours = AGAIN.total_seconds() / 3600
        return CatchUpPlan(None, f"{waiting(due)} due, but failed less than {hours:g} hours ago.")
    first, *backups = provider_status
    # A backup on this machine was asked in the run that stopped, and has nothing newer.
    asked = [first, *(backup for backup in backups if backup.budget is not None)]
    calls = calls_for(hopeful, kept)
    refusals = [account.refusal(now, calls) for account in asked]
    if all(refusals):
        return CatchUpPlan(None, f"{waiting(hopeful)} due. {'; '.join(map(str, refusals))}.")
    # Without the first provider there is nothing new to hope for until it can be asked again.
    slot = refusals[0] or f"{now:%Y-%m-%dT%H}"
    state = [f"{t.ticker} {t.wants} {t.sessions_behind} {_asked_at(records, t)}" for t in hopeful]
    digest = hashlib.sha256("\n".join([slot, *sorted(state)]).encode()).hexdigest()[:16]
    return CatchUpPlan(f"catch-up-{digest}", f"{waiting(hopeful)} due, and can be asked for.")


def calls_for(tasks: Sequence[Task], kept: int) -> int:
    """Return how many calls must be left for a run to be worth it.

    One that is left is worth a bar, if no session closes before there are more calls. Else a bar
    that is caught up now costs a call, and tonight the same call brings both: then only if tonight
    has enough all the same.
    """
    n_bars = sum(task.wants != "actions" for task in tasks)
    if n_bars == 0:
        return kept + CALLS_FOR_ACTIONS
    return kept + n_bars if kept else 1


def waiting(tasks: Sequence[Task]) -> str:
    """Return how many tickers have something to do, as the beginning of a sentence."""
    n_tickers = len({task.ticker for task in tasks})
    return f"{n_tickers:,} tickers are" if n_tickers != 1 else f"{tasks[0].ticker} is"


def _failed_alone(
    record: TickerRecord | None, provider_status: Sequence[ProviderState], now: datetime
) -> bool:
    """Return whether a ticker failed lately, and not because the first provider is down."""
    if record is None or record.failed_at is None or now - record.failed_at >= AGAIN:
        return False
    health = provider_status[0].health
    return health is None or health.failures == 0


def _asked_at(records: Mapping[str, TickerRecord], task: Task) -> datetime | None:
    record = records.get(task.ticker)
    return None if record is None else record.asked_at
