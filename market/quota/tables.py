"""Tables of the quota ledger: calls, refusals and waiting callers.

Each function runs inside a transaction of the caller. `market.quota.ledger` states the rules and
why they are safe.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from core.time_points import LocalDay, TimePoint
from market.quota.budgets import Budget, Window

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, purpose TEXT NOT NULL, ticker TEXT NOT NULL,
    boot TEXT NOT NULL, began REAL NOT NULL, began_wall REAL NOT NULL,
    ended REAL NOT NULL, ended_wall REAL NOT NULL, is_done INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_end ON calls (account, boot, ended);
CREATE INDEX IF NOT EXISTS calls_by_wall ON calls (account, ended_wall);
CREATE TABLE IF NOT EXISTS refusals (
    account TEXT NOT NULL, is_of_day INTEGER NOT NULL, seconds REAL, boot TEXT NOT NULL,
    elapsed REAL NOT NULL, wall REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, boot TEXT NOT NULL,
    due REAL NOT NULL
);
"""

# Assumed duration of a call in seconds until its process records the end.
LEASE = 120.0
# Added to each window in seconds, because clocks differ in rate.
_MARGIN = 0.01
# Readings of the wall clock that differ by fewer seconds are one clock that is kept in time. Calls
# that ended within this time before midnight count in both days.
_STEP = 0.1
# A call that ended earlier is in no current day, which has at most 25 hours.
_DAY = 26 * 3600.0
# Delay in seconds after which the place of a waiting process is given to the next one.
_LATE = 2.0
_RETENTION = 40 * 24 * 3600.0
_MIN_RETAINED_CALLS = 1000


@dataclass(frozen=True)
class DayUsage:
    """Usage of the provider's current day: calls by purpose, end, and whether it is refused."""

    by_purpose: dict[str, int]
    renews_at: datetime
    is_refused: bool

    @property
    def made(self) -> int:
        """Number of calls of all purposes."""
        return sum(self.by_purpose.values())

    def left(self, budget: Budget) -> int | None:
        """Return the number of calls left today, or None without a limit."""
        if self.is_refused:
            return 0
        return None if budget.per_day is None else max(0, budget.per_day - self.made)


def insert_call(
    db: sqlite3.Connection, account: str, purpose: str, ticker: str, now: TimePoint
) -> int:
    """Record a call that begins now and return its number. Old calls are dropped occasionally."""
    end = now.plus(LEASE)
    began_and_ended = (now.boot, now.elapsed, now.wall, end.elapsed, end.wall)
    number = db.execute(
        "INSERT INTO calls (account, purpose, ticker, boot, began, began_wall, ended, ended_wall, "
        "is_done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (account, purpose, ticker, *began_and_ended),
    ).lastrowid
    assert number is not None
    if number % _MIN_RETAINED_CALLS == 0:
        # The newest calls are never dropped, so that a wall clock far ahead removes none in use.
        oldest = (now.wall - _RETENTION, number - _MIN_RETAINED_CALLS)
        db.execute("DELETE FROM calls WHERE ended_wall < ? AND id < ?", oldest)
    return number


def finish_call(db: sqlite3.Connection, number: int, now: TimePoint) -> None:
    """Record the end of a call."""
    db.execute(
        "UPDATE calls SET ended = ?, ended_wall = ?, is_done = 1 WHERE id = ?",
        (now.elapsed, now.wall, number),
    )


def slot_times(db: sqlite3.Connection, account: str, window: Window, now: TimePoint) -> list[float]:
    """Return the elapsed time at which each slot of a window becomes free, earliest first.

    For a call that has not ended, it is the earliest possible time.
    """
    duration = window.seconds + _MARGIN
    free = [
        (row["ended"] if row["is_done"] else min(row["ended"], now.elapsed)) + duration
        for row in db.execute(
            "SELECT ended, is_done FROM calls WHERE account = ? AND boot = ? AND ended > ?",
            (account, now.boot, now.elapsed - duration),
        )
    ]
    if now.elapsed < duration:
        earlier = "SELECT 1 FROM calls WHERE account = ? AND boot <> ? LIMIT ?"
        free += [duration for _ in db.execute(earlier, (account, now.boot, window.calls))]
    unused = [now.elapsed] * (window.calls - len(free))
    return sorted(unused + free)[-window.calls :]


def read_day_usage(db: sqlite3.Connection, budget: Budget, now: TimePoint) -> DayUsage:
    """Return the usage of the provider's current day by every plausible wall clock reading."""
    readings = _readings(db, budget.account, now)
    days = [(m, LocalDay.containing(m.instant, budget.timezone)) for m in readings]
    starts = [(m.wall - _day_start(day), _day_start(day)) for m, day in days]
    longest = max(ago for ago, _ in starts)
    # A call of an earlier boot ended before the current boot began.
    first = min((wall for ago, wall in starts if ago >= now.elapsed), default=inf)
    counted = db.execute(
        "SELECT purpose, count(*) AS calls FROM ("
        "SELECT purpose FROM calls WHERE account = ? AND boot = ? AND ended >= ? UNION ALL "
        "SELECT purpose FROM calls WHERE account = ? AND boot <> ? AND ended_wall >= ?"
        ") GROUP BY purpose",
        (budget.account, now.boot, now.elapsed - longest, budget.account, now.boot, first),
    )
    by_purpose = {row["purpose"]: row["calls"] for row in counted}
    ends = min(now.instant + (day.ends - m.instant) for m, day in days)
    whole, until = _refused_today(db, budget.account, now, days)
    if until is not None and not whole:
        return DayUsage(by_purpose, until, is_refused=True)
    return DayUsage(by_purpose, ends, is_refused=whole)


def insert_refusal(
    db: sqlite3.Connection, account: str, now: TimePoint, *, is_of_day: bool, seconds: float | None
) -> None:
    """Record a refusal for `seconds`, or until the end of the day if `seconds` is None."""
    db.execute(
        "DELETE FROM refusals WHERE account = ? AND wall < ?", (account, now.wall - 2 * _DAY)
    )
    values = (account, is_of_day, seconds, now.boot, now.elapsed, now.wall)
    db.execute("INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?)", values)


def refusal_seconds(db: sqlite3.Connection, account: str, now: TimePoint) -> float:
    """Return the remaining seconds of refusals that are not of the day."""
    rows = db.execute("SELECT * FROM refusals WHERE account = ? AND is_of_day = 0", (account,))
    return max((row["seconds"] - now.seconds_since(_time_point(row)) for row in rows), default=0.0)


def has_day_refusal(db: sqlite3.Connection, account: str) -> bool:
    """Return whether a refusal of a day is recorded, current or past."""
    query = "SELECT 1 FROM refusals WHERE account = ? AND is_of_day = 1 LIMIT 1"
    return db.execute(query, (account,)).fetchone() is not None


def enqueue(
    db: sqlite3.Connection, account: str, now: TimePoint, *, ticket: int | None, seconds: float
) -> int:
    """Record that a caller waits for `seconds`, and return its ticket. An old ticket is kept."""
    values = (ticket, account, now.boot, now.elapsed + seconds)
    row = db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", values).lastrowid
    assert row is not None
    return row


def dequeue(db: sqlite3.Connection, ticket: int | None, now: TimePoint) -> None:
    """Remove a ticket, and the tickets of killed callers."""
    parameters = (ticket, now.boot, now.elapsed - 60.0)
    db.execute("DELETE FROM waiting WHERE ticket IS ? OR boot <> ? OR due < ?", parameters)


def count_waiting(
    db: sqlite3.Connection, account: str, now: TimePoint, ticket: int | None = None
) -> int:
    """Return the number of waiting callers, or of those before `ticket`."""
    row = db.execute(
        "SELECT count(*) FROM waiting WHERE account = ? AND boot = ? AND due >= ? "
        "AND ticket < coalesce(?, 1 << 62)",
        (account, now.boot, now.elapsed - _LATE, ticket),
    ).fetchone()
    return int(row[0])


def _readings(db: sqlite3.Connection, account: str, now: TimePoint) -> list[TimePoint]:
    """Return the current time point by the wall clock and by its readings before it was set."""
    readings = [now]
    within = "FROM calls WHERE account = :account AND boot = :boot AND ended >= :since"
    offsets = db.execute(
        f"SELECT round(began_wall - began, 2) {within} UNION "
        f"SELECT round(ended_wall - ended, 2) {within}",
        {"account": account, "boot": now.boot, "since": now.elapsed - _DAY},
    )
    for (offset,) in offsets:
        wall = now.elapsed + offset
        if all(abs(wall - other.wall) > _STEP for other in readings):
            readings.append(TimePoint(now.boot, now.elapsed, wall))
    return readings


def _refused_today(
    db: sqlite3.Connection, account: str, now: TimePoint, days: list[tuple[TimePoint, LocalDay]]
) -> tuple[bool, datetime | None]:
    """Return whether the whole day is refused, and the end of a shorter refusal of the day."""
    whole, until = False, None
    rows = db.execute("SELECT * FROM refusals WHERE account = ? AND is_of_day = 1", (account,))
    for row in rows:
        then = _time_point(row)
        if row["seconds"] is None:
            whole |= any(m.seconds_since(then) <= m.wall - _day_start(day) for m, day in days)
        elif (left := row["seconds"] - now.seconds_since(then)) > 0:
            until = max(now.plus(left).instant, until or datetime.min.replace(tzinfo=UTC))
    return whole, until


def _day_start(day: LocalDay) -> float:
    return day.starts.timestamp() - _STEP


def _time_point(row: sqlite3.Row) -> TimePoint:
    return TimePoint(row["boot"], row["elapsed"], row["wall"])
