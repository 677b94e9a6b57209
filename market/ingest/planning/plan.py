"""The due ingest tasks of each ticker, most urgent first, as a pure function.

`market.ingest.planning.ticker_plan` decides for one ticker, `market.ingest.ticker_ingest` executes
the tasks, and `market.ingest.planning.capacity` estimates whether the calls of a key suffice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter

from core.isolation import reason_of
from market.calendars.sessions import Sessions
from market.ingest.planning.ticker_plan import IngestTask, TickerPlanner
from market.ingest.ticker_state import TickerState

# With bars behind, one task for splits and dividends follows so many tasks for bars.
_BARS_TO_ACTIONS = 10


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
    due has two tasks. Tickers without a due task come last, and so do tickers with a calendar
    that has ended: their task is "blocked", and its reason is the error.

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
    due = _DueTasks()
    for ticker in sorted({*tickers}):
        state = states.get(ticker, TickerState(ticker))
        try:
            planner = TickerPlanner(state, last_stored.get(ticker), sessions_of(ticker), now)
            due.add(planner, has_separate_actions=has_separate_actions)
        except Exception as error:  # noqa: BLE001  # a fault of one ticker must not stop the others
            due.nothing.append(IngestTask(ticker, "blocked", None, reason_of(error)))
    return due.in_order()


@dataclass
class _DueTasks:
    """The tasks of all tickers by kind; those for actions with the session they are known to."""

    bars: list[IngestTask] = field(default_factory=list)
    actions: list[tuple[date, IngestTask]] = field(default_factory=list)
    nothing: list[IngestTask] = field(default_factory=list)

    def add(self, planner: TickerPlanner, *, has_separate_actions: bool) -> None:
        """Add the tasks of one ticker."""
        bars = planner.bars_task()
        actions = planner.actions_task() if has_separate_actions else None
        if bars.kind != "nothing":
            self.bars.append(bars)
        elif actions is None:
            self.nothing.append(bars)
        if actions is not None:
            through = None if planner.may_be_late_split else planner.state.actions_through
            self.actions.append((through or date.min, actions))

    def in_order(self) -> list[IngestTask]:
        """Return all tasks, most urgent first."""
        bars = sorted(self.bars, key=_behind, reverse=True)
        by_age = [task for _, task in sorted(self.actions, key=itemgetter(0))]
        return [*_interleave(bars, by_age), *self.nothing]


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
