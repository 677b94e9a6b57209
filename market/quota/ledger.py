"""Ledger of calls to providers. All processes with the same home stay within the limits of a key.

**Windows.** A call counts in a window from its grant until `seconds` after its end. A call is
granted only while fewer calls count than the limit. Then no period of that length contains more
arrivals at the provider than the limit, so that fixed and sliding windows are both respected.
Proof: a call arrives between its grant and its end. Take limit + 1 arrivals and let L be the call
that was granted last. Let C be any other call. Either C counted when L was granted, or it had ended
at least `seconds` before that grant. In the second case the arrivals of C and L are at least
`seconds` apart, because C arrives before its end and L after its grant. If all arrivals were within
`seconds`, all other calls would have counted and L would not have been granted. Time is
`core.clock.Clock.elapsed`, which cannot be set. A call of an earlier boot counts as if it had ended
when the current boot began. A small margin allows for a provider with a clock of a slightly
different rate.

**Days.** The provider's day lasts from midnight to midnight of `Budget.timezone`. It has 23 or 25
hours when daylight saving time changes. A call counts in the day if it ended after that midnight,
measured by `core.time_points.TimePoint.seconds_since`. Only the wall clock gives the position of
midnight. When the wall clock was set during the last day, the old and the new reading both apply,
so that setting the clock never returns calls. If the wall clock is wrong for longer, or after a
boot, the ledger can count too few calls; the refusal of the provider is then the limit.

**Refusals.** `QuotaLedger.record_refusal` blocks all callers. If the provider's day renews later
than our midnight, its refusal holds until our next midnight although the ledger counts fewer calls.
A refusal in the first ten minutes of our day means that the clock of the provider is late: it holds
for ten minutes.

**Killed processes.** A call is recorded as if it took `market.quota.tables.LEASE` seconds, and
corrected at its end. A killed process leaves that record, so the timeouts of a client must make a
request arrive or fail within the lease.

**Waiting.** A caller that finds a window full gets a ticket and sleeps, without a lock, until the
slot of its place in the queue can be free. Callers are served in order, no caller wakes up for the
slot of another, and tickets of killed callers are skipped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import QuotaError
from core.sqlite import Database
from core.time_points import LocalDay, TimePoint
from market.quota import tables
from market.quota.budgets import Budget, Purpose, Usage, WindowUse

# Minimum duration of a refusal of the rate. The provider refused although its known windows were
# respected, so it has other limits too.
_MIN_RATE_REFUSAL = 60.0
# The clock of the provider may be late by this many seconds.
_MAX_DELAY = 600.0
_MIN_SLEEP = 0.001


class QuotaLedger:
    """Grants calls within budgets. Threads and processes share its SQLite file.

    Parameters
    ----------
    path
        SQLite file of the home, created at the first use.
    clock
        The system clock by default.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._database = Database(path, tables.SCHEMA)

    @contextmanager
    def call(
        self,
        budget: Budget,
        *,
        purpose: Purpose,
        ticker: str = "",
        reserved_calls: int = 0,
        max_wait: float = inf,
    ) -> Iterator[None]:
        """Wait until a call is allowed, and record it for the duration of the context.

        Parameters
        ----------
        budget
            Limits of the key.
        purpose, ticker
            Recorded with the call.
        reserved_calls
            Number of calls per day for purposes other than `purpose`. Calls that they have made
            today are subtracted. The call is refused if it would use one of the rest.
        max_wait
            Longest wait for a window in seconds.

        Raises
        ------
        QuotaError
            If no call is left today apart from reserved ones, or the wait would exceed `max_wait`.
            No call is recorded.
        """
        number = self._grant(
            budget, purpose, ticker, reserved_calls=reserved_calls, max_wait=max_wait
        )
        try:
            yield
        finally:
            ended = TimePoint.of(self._clock)
            # Not durable: if a power failure reverts this write, the next boot ends the call too.
            with self._database.transaction(is_durable=False) as db:
                tables.finish_call(db, number, ended)

    def record_refusal(self, budget: Budget, *, until_day_ends: bool) -> datetime:
        """Record that the provider refused a call, and block all calls of the budget.

        Refusals that are already in effect are kept.

        Parameters
        ----------
        until_day_ends
            If True, the refusal holds until the end of the provider's day, or for ten minutes if
            the day began less than ten minutes ago. If False, it holds for the longest window and
            for at least one minute.

        Returns
        -------
        datetime
            Time in UTC at which the next call is allowed.
        """
        with self._database.transaction() as db:
            now = TimePoint.of(self._clock)
            if not until_day_ends:
                seconds = max([_MIN_RATE_REFUSAL, *(window.seconds for window in budget.windows)])
                tables.insert_refusal(db, budget.account, now, is_of_day=False, seconds=seconds)
                return now.plus(tables.refusal_seconds(db, budget.account, now)).instant
            day = LocalDay.containing(now.instant, budget.timezone)
            is_early = now.wall - day.starts.timestamp() < _MAX_DELAY
            seconds_or_day = _MAX_DELAY if is_early else None
            tables.insert_refusal(db, budget.account, now, is_of_day=True, seconds=seconds_or_day)
            return tables.read_day_usage(db, budget, now).renews_at

    def usage(self, budget: Budget) -> Usage:
        """Return the usage of a budget by all processes."""
        with self._database.connection() as db:
            now = TimePoint.of(self._clock)
            today = tables.read_day_usage(db, budget, now)
            windows = []
            for window in budget.windows:
                free = tables.slot_times(db, budget.account, window, now)
                made = sum(instant > now.elapsed for instant in free)
                windows.append(WindowUse(made, window.calls, window.seconds))
            return Usage(
                account=budget.account,
                made_today=today.made,
                per_day=budget.per_day,
                left_today=today.left(budget),
                windows=tuple(windows),
                renews_at=today.renews_at,
                by_purpose=today.by_purpose,
                is_refused=today.is_refused or tables.refusal_seconds(db, budget.account, now) > 0,
                waiting=tables.count_waiting(db, budget.account, now),
            )

    def calls(self, budget: Budget, since: datetime) -> pl.DataFrame:
        """Return the calls since a time, oldest first.

        The ledger keeps calls for 40 days.

        Returns
        -------
        polars.DataFrame
            Columns `at` (time of the grant in UTC, by the wall clock of that time), `purpose` and
            `ticker`.
        """
        with self._database.connection() as db:
            rows = db.execute(
                "SELECT began_wall, purpose, ticker FROM calls "
                "WHERE account = ? AND began_wall >= ? ORDER BY id",
                (budget.account, since.timestamp()),
            ).fetchall()
        schema = {"at": pl.Datetime("us", "UTC"), "purpose": pl.String(), "ticker": pl.String()}
        data = [(datetime.fromtimestamp(at, UTC), purpose, ticker) for at, purpose, ticker in rows]
        return pl.DataFrame(data, schema=schema, orient="row")

    def _grant(
        self, budget: Budget, purpose: Purpose, ticker: str, *, reserved_calls: int, max_wait: float
    ) -> int:
        """Wait for a slot, record the call and return its number."""
        ticket: int | None = None
        deadline = self._clock.elapsed() + max_wait
        try:
            while True:
                with self._database.transaction() as db:
                    now = TimePoint.of(self._clock)
                    _refuse_spent_day(db, budget, now, purpose, reserved_calls)
                    wait = _wait(db, budget, now, ticket)
                    if wait <= 0:
                        if ticket is not None:
                            tables.dequeue(db, ticket, now)
                        return tables.insert_call(db, budget.account, purpose, ticker, now)
                    _refuse_long_wait(budget, now, wait, deadline - now.elapsed)
                    ticket = tables.enqueue(db, budget.account, now, ticket=ticket, seconds=wait)
                self._clock.sleep(max(wait, _MIN_SLEEP))
        except BaseException:
            if ticket is not None:
                with self._database.transaction() as db:
                    tables.dequeue(db, ticket, TimePoint.of(self._clock))
            raise


def _wait(db: sqlite3.Connection, budget: Budget, now: TimePoint, ticket: int | None) -> float:
    """Return the seconds until the caller's place in the queue can be served, or 0."""
    ahead = tables.count_waiting(db, budget.account, now, ticket)
    instants = [now.elapsed + tables.refusal_seconds(db, budget.account, now)]
    for window in budget.windows:
        n_windows, slot = divmod(ahead, window.calls)
        free = tables.slot_times(db, budget.account, window, now)
        instants.append(free[slot] + n_windows * window.seconds)
    return max(0.0, max(instants) - now.elapsed)


def _refuse_spent_day(
    db: sqlite3.Connection, budget: Budget, now: TimePoint, purpose: Purpose, reserved_calls: int
) -> None:
    if budget.per_day is None and not tables.has_day_refusal(db, budget.account):
        return
    today = tables.read_day_usage(db, budget, now)
    left = today.left(budget)
    others = today.made - today.by_purpose.get(purpose, 0)
    reserved = max(0, reserved_calls - others)
    if left is None or left > reserved:
        return
    made = ", ".join(f"{n} {name}" for name, n in sorted(today.by_purpose.items())) or "none"
    if today.is_refused:
        reason = f"`{budget.provider}` refuses more calls today"
    elif left:
        reason = (
            f"The {left} calls of `{budget.provider}` left today are reserved for purposes other "
            f"than {purpose}"
        )
    else:
        reason = f"All {budget.per_day} calls per day of `{budget.provider}` are used"
    msg = f"{reason} (made: {made}); the next call is allowed at {_in_utc(today.renews_at)}."
    raise QuotaError(msg, renews_at=today.renews_at)


def _refuse_long_wait(budget: Budget, now: TimePoint, wait: float, longest: float) -> None:
    if wait <= longest:
        return
    renews_at = now.plus(wait).instant
    msg = (
        f"A call of `{budget.provider}` must wait {wait:.1f} s, but `max_wait` allows "
        f"{longest:.1f} s; the next call is allowed at {_in_utc(renews_at)}."
    )
    raise QuotaError(msg, renews_at=renews_at)


def _in_utc(instant: datetime) -> str:
    whole = instant + timedelta(microseconds=-instant.microsecond % 1_000_000)
    return f"{whole:%Y-%m-%d %H:%M:%S} UTC"
