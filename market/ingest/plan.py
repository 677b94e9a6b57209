"""The due ingest tasks of each ticker, most urgent first, as a pure function.

`market.ingest.ticker_ingest` executes the tasks, and `market.ingest.capacity` estimates whether the
calls of a key suffice for them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Literal

from core.isolation import reason_of
from market.calendars.sessions import Sessions
from market.ingest.ticker_state import TickerState

TaskKind = Literal["history", "bars", "actions", "nothing", "blocked"]

# Sessions between fetches of splits and dividends. A split in between shows as a jump of the close.
ACTIONS_EVERY = 21
# Sessions before a retry where splits and dividends could not be fetched.
_ACTIONS_RETRY = 5
# Providers may list a split a few sessions late, so a jump without one is checked again this long.
_UNCONFIRMED_SESSIONS = 3
# Sessions to wait after consecutive permanent failures, or after consecutive responses without the
# due bar from the second one on. The first such response is retried after `_LATE`.
_BACKOFF = (1, 2, 5, 10, 21)
_LATE = timedelta(hours=3)
_BARS_TO_ACTIONS = 10
# More sessions than any calendar has.
_MANY_SESSIONS = 1_000_000


@dataclass(frozen=True)
class IngestTask:
    """The due task of one ticker.

    Attributes
    ----------
    kind
        "history": fetch all bars; "bars": fetch the bars after the stored ones; "actions": fetch
        splits and dividends; "nothing": no request now; "blocked": the calendar cannot tell which
        sessions are due.
    sessions_behind
        Number of closed sessions after the last stored one, None if no bar is stored.
    reason
        A clause that explains the kind.
    """

    ticker: str
    kind: TaskKind
    sessions_behind: int | None
    reason: str


def plan_tasks(
    tickers: Iterable[str],
    last_stored: Mapping[str, date],
    states: Mapping[str, TickerState],
    sessions_of: Callable[[str], Sessions],
    now: datetime,
    *,
    has_separate_actions: bool,
) -> list[IngestTask]:
    """Return the due tasks of all tickers, most urgent first.

    Bars come first: new tickers, then those with the most sessions behind. Splits and dividends
    follow: those that were never fetched or would explain a jump, then those fetched at least
    `ACTIONS_EVERY` sessions ago. If bars run behind, every tenth task is one for splits and
    dividends, so that a key with too few calls does not defer them forever. A ticker with both
    due has two tasks. Tickers without a due task come last, and so do tickers whose calendar has
    ended: their task is "blocked", and its reason is the error.

    Parameters
    ----------
    last_stored
        Last stored session of each ticker with bars.
    states
        States of the tickers; a missing one means that the ticker is new.
    sessions_of
        Returns the sessions of a ticker's exchange.
    now
        Current instant, with a time zone.
    has_separate_actions
        Whether bars lack splits and dividends, so that these need requests of their own.

    Raises
    ------
    ValueError
        If `now` has no time zone.
    """
    if now.tzinfo is None:
        msg = f"`now` must have a time zone, got {now!r}; use datetime.now(UTC)."
        raise ValueError(msg)
    bars, actions, nothing = [], [], []
    for ticker in sorted({*tickers}):
        state = states.get(ticker, TickerState(ticker))
        try:
            planner = _TickerPlanner(state, last_stored.get(ticker), sessions_of(ticker), now)
            bars_task = planner.bars_task()
            actions_task = planner.actions_task() if has_separate_actions else None
        except Exception as error:  # noqa: BLE001  # any fault of one ticker must spare the others
            nothing.append(IngestTask(ticker, "blocked", None, reason_of(error)))
            continue
        if bars_task.kind != "nothing":
            bars.append(bars_task)
        elif actions_task is None:
            nothing.append(bars_task)
        if actions_task is not None:
            through = None if planner.may_be_late_split else state.actions_through
            actions.append((through or date.min, actions_task))
    bars.sort(key=_behind, reverse=True)
    by_age = [task for _, task in sorted(actions, key=itemgetter(0))]
    return [*_interleave(bars, by_age), *nothing]


def count_behind(last: date | None, sessions: Sessions, now: datetime) -> int | None:
    """Return the number of closed sessions after `last`, None if `last` is None."""
    if last is None:
        return None
    return len(sessions.between(last + timedelta(days=1), sessions.last_closed(now)))


def _interleave(bars: list[IngestTask], actions: list[IngestTask]) -> list[IngestTask]:
    """Return bars before actions, or every tenth task from `actions` if bars run behind."""
    if not any(1 < _behind(task) < math.inf for task in bars):
        return bars + actions
    tasks: list[IngestTask] = []
    remaining = deque(actions)
    for n, task in enumerate(bars, start=1):
        tasks.append(task)
        if n % _BARS_TO_ACTIONS == 0 and remaining:
            tasks.append(remaining.popleft())
    return [*tasks, *remaining]


def _behind(task: IngestTask) -> float:
    return math.inf if task.sessions_behind is None else task.sessions_behind


@dataclass(frozen=True)
class _TickerPlanner:
    """Decides the tasks of one ticker at one instant."""

    state: TickerState
    last: date | None
    sessions: Sessions
    now: datetime

    @property
    def behind(self) -> int | None:
        return count_behind(self.last, self.sessions, self.now)

    @property
    def may_be_late_split(self) -> bool:
        """Whether the provider may still list a split for the unconfirmed jump."""
        jump = self.state.unconfirmed_jump
        return jump is not None and self._sessions_after(jump) <= _UNCONFIRMED_SESSIONS

    def bars_task(self) -> IngestTask:
        kind, reason = self._bars()
        return IngestTask(self.state.ticker, kind, self.behind, reason)

    def _bars(self) -> tuple[TaskKind, str]:
        state = self.state
        if self.behind == 0:
            return "nothing", f"up to date: {self.last} is the last closed session"
        if (reason := self._backoff_reason()) is not None:
            return "nothing", reason
        kind: TaskKind = "bars" if state.has_full_history and self.last is not None else "history"
        if state.withheld_from is not None:
            return kind, f"the jump of {state.withheld_from} may be a split"
        if self.last is None:
            return kind, "no bar is stored"
        return kind, f"{self.behind} sessions have closed since {self.last}"

    def actions_task(self) -> IngestTask | None:
        state = self.state
        if self.last is None or (state.is_permanent and self._waits_after_failure()):
            return None
        if state.actions_at is None:
            reason = "its splits and dividends were never fetched"
        elif state.actions_through is None:
            if self._sessions_since(state.actions_at) < _ACTIONS_RETRY:
                return None
            reason = "its splits and dividends could not be fetched so far"
        elif self.may_be_late_split and self._sessions_since(state.actions_at) > 0:
            reason = f"the jump of {state.unconfirmed_jump} may be a split that is not listed yet"
        elif (
            min(self._sessions_since(state.actions_at), self._sessions_after(state.actions_through))
            < ACTIONS_EVERY
        ):
            return None
        else:
            reason = f"its splits and dividends are known up to {state.actions_through}"
        return IngestTask(state.ticker, "actions", self.behind, reason)

    def _backoff_reason(self) -> str | None:
        """Return why due bars are not requested now, or None if they are."""
        state = self.state
        if state.is_permanent and self._waits_after_failure():
            return f"requests are backed off after an error: {state.last_error}"
        if state.stale_responses == 0 or state.responded_at is None:
            return None
        elapsed = self._sessions_since(state.responded_at)
        if state.stale_responses == 1:
            if elapsed == 0 and self.now - state.responded_at < _LATE:
                return f"the bar was not published yet at {state.responded_at:%H:%M} UTC"
            return None
        wait = _BACKOFF[min(state.stale_responses - 2, len(_BACKOFF) - 1)]
        if elapsed < wait:
            n_stale = state.stale_responses
            return f"{n_stale} responses had no new bar: requested every {wait} sessions"
        return None

    def _waits_after_failure(self) -> bool:
        state = self.state
        if state.failed_at is None or state.permanent_failures == 0:
            return False
        wait = _BACKOFF[min(state.permanent_failures, len(_BACKOFF)) - 1]
        return self._sessions_since(state.failed_at) < wait

    def _sessions_since(self, instant: datetime) -> int:
        """Return the number of sessions that have closed since an instant.

        An instant in the future stems from a wrong wall clock, and must not defer any task.
        """
        if instant > self.now:
            return _MANY_SESSIONS
        return self._sessions_after(self.sessions.last_closed(instant))

    def _sessions_after(self, session: date) -> int:
        return count_behind(session, self.sessions, self.now) or 0
