"""What is due for each ticker, most urgent first. Pure.

Doing it is `ingest`; keeping to limits of calls is `quota`; whether a key can keep up `outlook`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Literal

from market.calendars.sessions import Sessions
from market.ingest.ticker_state import TickerState

TaskKind = Literal["history", "bars", "actions", "nothing"]

# Splits and dividends are asked for anew after so many sessions; a split shows as a jump before.
ACTIONS_EVERY = 21
# ... and after so many where they could not be had.
_ACTIONS_AGAIN = 5
# A split may be listed so many sessions late; until then a jump without one is asked about again.
_DOUBTED = 3
# Sessions to wait after answers in a row without the bar that was due, from the second on; a first
# one may only mean that the provider publishes late, and is asked again after `_LATE`.
_PATIENCE = (1, 2, 5, 10, 21)
_LATE = timedelta(hours=3)
_BARS_TO_ACTIONS = 10
_AGES = 1_000_000


@dataclass(frozen=True)
class IngestTask:
    """What is due for one ticker.

    Attributes
    ----------
    wants
        "history": all bars there are; "bars": those after the stored ones; "actions": splits and
        dividends; "nothing": not now.
    sessions_behind
        Closed sessions after the last stored one, or None when no bar is stored.
    reason
        One clause for a person.
    """

    ticker: str
    kind: TaskKind
    sessions_behind: int | None
    reason: str


def plan(
    tickers: Iterable[str],
    last_stored: Mapping[str, date],
    records: Mapping[str, TickerState],
    sessions_of: Callable[[str], Sessions],
    now: datetime,
    *,
    has_separate_actions: bool,
) -> list[IngestTask]:
    """Return what is due for each ticker, most urgent first.

    Bars come first, of the tickers that are most sessions behind, new tickers before all; then
    splits and dividends that were never told or would explain a jump, then those told
    `ACTIONS_EVERY` sessions ago. Where
    bars run behind, as with a key that cannot keep up, one in `_BARS_TO_ACTIONS` places goes to
    actions, so that these are not put off for ever. A ticker whose bars and actions are both due
    stands in the plan twice.

    Parameters
    ----------
    last_stored
        The last stored session of the tickers that have bars.
    records
        What is remembered of the tickers; missing ones were never asked.
    sessions_of
        Each ticker's calendar.
    now
        An aware instant.
    has_separate_actions
        Whether bars come without splits and dividends, so that these must be asked for.

    Raises
    ------
    ValueError
        When `now` has no time zone.
    """
    bars, actions, nothing = [], [], []
    for ticker in sorted({*tickers}):
        record = records.get(ticker, TickerState(ticker))
        state = _State(record, last_stored.get(ticker), sessions_of(ticker), now)
        of_bars = state.bars_task()
        of_actions = state.actions_task() if has_separate_actions else None
        if of_bars.kind != "nothing":
            bars.append(of_bars)
        elif of_actions is None:
            nothing.append(of_bars)
        if of_actions is not None:
            through = None if state.is_in_doubt else record.actions_through
            actions.append((through or date.min, of_actions))
    bars.sort(key=_behind, reverse=True)
    by_age = [task for _, task in sorted(actions, key=itemgetter(0))]
    return [*_shared_out(bars, by_age), *nothing]


def count_behind(last: date | None, sessions: Sessions, now: datetime) -> int | None:
    """Return how many closed sessions come after `last`; None when there is no last one."""
    if last is None:
        return None
    return len(sessions.between(last + timedelta(days=1), sessions.last_closed(now)))


def _shared_out(bars: list[IngestTask], actions: list[IngestTask]) -> list[IngestTask]:
    """Put bars before actions, or mix both where bars run behind."""
    if not any(1 < _behind(task) < math.inf for task in bars):
        return bars + actions
    mixed: list[IngestTask] = []
    waiting = deque(actions)
    for n, task in enumerate(bars, start=1):
        mixed.append(task)
        if n % _BARS_TO_ACTIONS == 0 and waiting:
            mixed.append(waiting.popleft())
    return [*mixed, *waiting]


def _behind(task: IngestTask) -> float:
    return math.inf if task.sessions_behind is None else task.sessions_behind


@dataclass(frozen=True)
class _State:
    """One ticker, seen from now."""

    record: TickerState
    last: date | None
    sessions: Sessions
    now: datetime

    @property
    def behind(self) -> int | None:
        return count_behind(self.last, self.sessions, self.now)

    @property
    def is_in_doubt(self) -> bool:
        """Whether a stored jump may turn out to be a split after all."""
        unconfirmed_jump = self.record.unconfirmed_jump
        return unconfirmed_jump is not None and self._after(unconfirmed_jump) <= _DOUBTED

    def bars_task(self) -> IngestTask:
        kind, reason = self._bars()
        return IngestTask(self.record.ticker, kind, self.behind, reason)

    def _bars(self) -> tuple[TaskKind, str]:
        if self.behind == 0:
            return "nothing", f"up to date: {self.last} is the last closed session"
        if (waiting := self._waiting()) is not None:
            return "nothing", waiting
        kind: TaskKind = (
            "bars" if self.record.has_full_history and self.last is not None else "history"
        )
        if self.record.withheld_from is not None:
            return kind, f"the jump of {self.record.withheld_from} may be a split"
        if self.last is None:
            return kind, "no bar is stored"
        return kind, f"{self.behind} sessions have closed since {self.last}"

    def actions_task(self) -> IngestTask | None:
        record = self.record
        if self.last is None or (record.is_permanent and self._waits_for_failure()):
            return None
        if record.actions_at is None:
            reason = "its splits and dividends were never asked for"
        elif record.actions_through is None:
            if self._since(record.actions_at) < _ACTIONS_AGAIN:
                return None
            reason = "its splits and dividends could not be had so far"
        elif self.is_in_doubt and self._since(record.actions_at) > 0:
            reason = f"the jump of {record.unconfirmed_jump} may be a split that was not yet listed"
        elif min(self._since(record.actions_at), self._after(record.actions_through)) < (
            ACTIONS_EVERY
        ):
            return None
        else:
            reason = f"its splits and dividends are known to {record.actions_through}"
        return IngestTask(record.ticker, "actions", self.behind, reason)

    def _waiting(self) -> str | None:
        """Return why its bars are not asked for now although they are due, or None."""
        record = self.record
        if record.is_permanent and self._waits_for_failure():
            return f"not asked for a while: {record.last_error}"
        if record.stale_responses == 0 or record.responded_at is None:
            return None
        passed = self._since(record.responded_at)
        if record.stale_responses == 1:
            if passed == 0 and self.now - record.responded_at < _LATE:
                return f"asked at {record.responded_at:%H:%M} UTC, not yet published then"
            return None
        wait = _PATIENCE[min(record.stale_responses - 2, len(_PATIENCE) - 1)]
        if passed < wait:
            return (
                f"{record.stale_responses} answers brought no new bar: asked every {wait} sessions"
            )
        return None

    def _waits_for_failure(self) -> bool:
        record = self.record
        if record.failed_at is None or record.permanent_failures == 0:
            return False
        wait = _PATIENCE[min(record.permanent_failures, len(_PATIENCE)) - 1]
        return self._since(record.failed_at) < wait

    def _since(self, instant: datetime) -> int:
        """Count the sessions that have closed since an instant.

        One in the future is a wall clock that was wrong, then or now: it must not stop anything.
        """
        if instant > self.now:
            return _AGES
        return self._after(self.sessions.last_closed(instant))

    def _after(self, session: date) -> int:
        return count_behind(session, self.sessions, self.now) or 0
