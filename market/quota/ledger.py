"""The ledger of provider calls: all processes of a home together never pass a key's limits.

Belongs here: when a call may be made, and the record that it was. Not here: what a tier allows
(`providers.tiers`), what a refusal looks like (each provider), whose turn it is (`planning`).

**Windows.** A call counts from its grant until `seconds` after it ended; a grant is given only
while fewer than the limit count. Then no stretch of that length holds more arrivals at the
provider than the limit, wherever it starts, so fixed and sliding windows are both kept. Proof: a
call arrives between its grant and its end. Take limit + 1 arrivals, the call granted last among
them, and any other one. If that had not ended at the last grant, it counted. If it had, it ended
at or after its own arrival, and the last one arrives at or after its grant; so the two arrivals
are at least as far apart as that end and that grant. Were all of them within `seconds`, all the
others had counted and the grant had been refused. Time is `Clock.elapsed`, which nobody sets; what
is older than this boot counts as if it ended when the boot began. A few milliseconds are added for
a provider whose clock runs a little differently.

**Days.** The provider's day goes from midnight to midnight of `Budget.timezone`: its zone, not that
of an exchange and not that of this machine; it has 23 or 25 hours when its clocks change. A call
counts while its end, by `TimePoint.since`, is no longer ago than that midnight. Where midnight is,
only the wall clock can tell; when that was set during the last day, its old and its new reading
both bind, so that setting it never gives calls back. A wall clock that is wrong for longer, or
wrong after a boot, is beyond us; then the provider's own word is the limit.

**The provider's word.** `record_refusal` keeps everyone from asking. Its day may renew at another
moment than our midnight: then it refuses although we count less, and we wait for our midnight. Just
after our midnight such a refusal rather says that its clock is behind ours: then ten minutes.

**Death.** A call is entered as if it took `LEASE` seconds, and corrected at its end. A killed
process leaves that entry; a client's time-outs must make a request arrive or fail within it.

**Waiting.** Who finds a window full draws a ticket and sleeps until the slot of its place in the
queue can be free at the earliest, holding no lock. So callers are served in order, nobody wakes for
another one's slot, and one who died in the queue is passed over.
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

# A refusal by the minute is waited out for this long at least: that the provider refused although
# its windows were kept means that it has others.
_MINUTE = 60.0
# How long after our midnight the provider may still be in yesterday.
_EARLY = 600.0
_SHORTEST_SLEEP = 0.001


class QuotaLedger:
    """Grants calls within budgets; any number of objects, threads and processes share the file.

    Parameters
    ----------
    path
        The SQLite file of the home; made when needed.
    clock
        Where time comes from; by default this machine.
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
        """Make one request inside this context, once it may be made.

        Parameters
        ----------
        budget
            What the key may do.
        purpose, ticker
            What the call is for: kept for printouts; `reserved_calls` looks at purposes.
        reserved_calls
            Calls of the day to leave for the other purposes, less those they have made.
        max_wait
            Seconds to wait for a window at most.

        Raises
        ------
        QuotaError
            When the day is spent but for what is kept, or the wait would be longer; no call is
            entered then.
        """
        number = self._granted(
            budget, purpose, ticker, reserved_calls=reserved_calls, max_wait=max_wait
        )
        try:
            yield
        finally:
            ended = TimePoint.of(self._clock)
            # If a power cut takes this back, the boot after it ends the call as well.
            with self._database.transaction(is_durable=False) as db:
                tables.finish_call(db, number, ended)

    def record_refusal(self, budget: Budget, *, until_day_ends: bool) -> datetime:
        """Take the provider's word that nothing is left; return when it may be asked again, UTC.

        A refusal by the minute holds for the longest window, but a minute at least. One of the day
        holds until the day ends by our reckoning; told in the first ten minutes of it, it is about
        yesterday by the provider's clock and holds for ten minutes. What was told before still
        holds.
        """
        with self._database.transaction() as db:
            now = TimePoint.of(self._clock)
            if not until_day_ends:
                seconds = max([_MINUTE, *(window.seconds for window in budget.windows)])
                tables.insert_refusal(db, budget.account, now, is_of_day=False, seconds=seconds)
                return now.plus(tables.refusal_seconds(db, budget.account, now)).instant
            day = LocalDay.containing(now.instant, budget.timezone)
            is_early = now.wall - day.starts.timestamp() < _EARLY
            seconds_or_day = _EARLY if is_early else None
            tables.insert_refusal(db, budget.account, now, is_of_day=True, seconds=seconds_or_day)
            return tables.read_day_usage(db, budget, now).renews_at

    def usage(self, budget: Budget) -> Usage:
        """Return what all processes made of the budget."""
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
        """Return the calls granted since then, oldest first: `at` in UTC, `purpose`, `ticker`.

        Calls are kept for 40 days. `at` is the wall clock's reading at that time.
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

    def _granted(
        self, budget: Budget, purpose: Purpose, ticker: str, *, reserved_calls: int, max_wait: float
    ) -> int:
        """Wait for a slot, enter the call and return its number."""
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
                self._clock.sleep(max(wait, _SHORTEST_SLEEP))
        except BaseException:
            if ticket is not None:
                with self._database.transaction() as db:
                    tables.dequeue(db, ticket, TimePoint.of(self._clock))
            raise


def _wait(db: sqlite3.Connection, budget: Budget, now: TimePoint, ticket: int | None) -> float:
    """Return the seconds until the caller's place in the queue can be served, 0 for now."""
    ahead = tables.count_waiting(db, budget.account, now, ticket)
    instants = [now.elapsed + tables.refusal_seconds(db, budget.account, now)]
    for window in budget.windows:
        rounds, slot = divmod(ahead, window.calls)
        free = tables.slot_times(db, budget.account, window, now)
        instants.append(free[slot] + rounds * window.seconds)
    return max(0.0, max(instants) - now.elapsed)


def _refuse_spent_day(
    db: sqlite3.Connection, budget: Budget, now: TimePoint, purpose: Purpose, reserved_calls: int
) -> None:
    if budget.per_day is None and not tables.has_day_refusal(db, budget.account):
        return
    today = tables.read_day_usage(db, budget, now)
    left = today.left(budget)
    others = today.made - today.by_purpose.get(purpose, 0)
    kept = max(0, reserved_calls - others)
    if left is None or left > kept:
        return
    what = ", ".join(f"{n} {name}" for name, n in sorted(today.by_purpose.items())) or "none"
    if today.is_refused:
        why = f"The provider said that the day's calls of `{budget.provider}` are spent"
    elif left:
        why = (
            f"The {left} calls of `{budget.provider}` left today are kept for other than {purpose}"
        )
    else:
        why = f"All {budget.per_day} calls a day of `{budget.provider}` are spent"
    msg = f"{why} (made: {what}); the next may be made at {_shown(today.renews_at)}."
    raise QuotaError(msg, renews_at=today.renews_at)


def _refuse_long_wait(budget: Budget, now: TimePoint, wait: float, longest: float) -> None:
    if wait <= longest:
        return
    renews_at = now.plus(wait).instant
    msg = (
        f"A call of `{budget.provider}` would wait {wait:.1f} s for its turn, and `max_wait` "
        f"leaves {longest:.1f} s; the next may be made at {_shown(renews_at)}."
    )
    raise QuotaError(msg, renews_at=renews_at)


def _shown(instant: datetime) -> str:
    whole = instant + timedelta(microseconds=-instant.microsecond % 1_000_000)
    return f"{whole:%Y-%m-%d %H:%M:%S} UTC"
