"""The due tasks of one ticker at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

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


def count_behind(last: date | None, sessions: Sessions, now: datetime) -> int | None:
    """Return the number of closed sessions after `last`, None if `last` is None."""
    if last is None:
        return None
    return len(sessions.between(last + timedelta(days=1), sessions.last_closed(now)))


@dataclass(frozen=True)
class TickerPlanner:
    """Decides the tasks of one ticker at one instant."""

    state: TickerState
    last: date | None
    sessions: Sessions
    now: datetime

    @property
    def behind(self) -> int | None:
        """Number of closed sessions after the last stored one, None if no bar is stored."""
        return count_behind(self.last, self.sessions, self.now)

    @property
    def may_be_late_split(self) -> bool:
        """Whether the provider may still list a split for the unconfirmed jump."""
        jump = self.state.unconfirmed_jump
        return jump is not None and self._sessions_after(jump) <= _UNCONFIRMED_SESSIONS

    def bars_task(self) -> IngestTask:
        """Return the task for bars; its kind is "nothing" if none is due."""
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
        """Return the task for splits and dividends, or None if none is due."""
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
