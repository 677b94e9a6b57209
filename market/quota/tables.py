"""The tables behind the quota ledger: calls, refusals, callers that wait, and what of them counts.

Every function works inside a transaction of the caller. When a call may be made is `quota`, and
that module tells why these rules are safe.
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

# A call that was entered is taken to last so long until its process tells its end.
LEASE = 120.0
# The provider's clock may run a little differently.
_MARGIN = 0.01
# Readings of the wall clock that differ by less are one clock that is kept in time. So much before
# midnight counts for both days.
_STEP = 0.1
# What is longer ago is in no reading's present day, which has 25 hours at most.
_DAY = 26 * 3600.0
# How late a waiting process may come before its place goes to the next.
_LATE = 2.0
_KEPT = 40 * 24 * 3600.0
_KEPT_CALLS = 1000


@dataclass(frozen=True)
class DayUsage:
    """The provider's present day: calls by purpose, when it ends, and whether it was refused."""

    by_purpose: dict[str, int]
    renews_at: datetime
    is_refused: bool

    @property
    def made(self) -> int:
        """Calls of all purposes."""
        return sum(self.by_purpose.values())

    def left(self, budget: Budget) -> int | None:
        """Return the calls that may still be made today, or None without a limit."""
        if self.is_refused:
            return 0
        return None if budget.per_day is None else max(0, budget.per_day - self.made)


def insert_call(
    db: sqlite3.Connection, account: str, purpose: str, ticker: str, now: TimePoint
) -> int:
    """Write a call that begins now and return its number; old calls are dropped now and then."""
    end = now.plus(LEASE)
    began_and_ended = (now.boot, now.elapsed, now.wall, end.elapsed, end.wall)
    number = db.execute(
        "INSERT INTO calls (account, purpose, ticker, boot, began, began_wall, ended, ended_wall, "
        "is_done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (account, purpose, ticker, *began_and_ended),
    ).lastrowid
    assert number is not None
    if number % _KEPT_CALLS == 0:
        # The newest stay in any case: a wall clock that is far ahead for a while drops none of use.
        oldest = (now.wall - _KEPT, number - _KEPT_CALLS)
        db.execute("DELETE FROM calls WHERE ended_wall < ? AND id < ?", oldest)
    return number


def finish_call(db: sqlite3.Connection, number: int, now: TimePoint) -> None:
    """Write that a call has ended."""
    db.execute(
        "UPDATE calls SET ended = ?, ended_wall = ?, is_done = 1 WHERE id = ?",
        (now.elapsed, now.wall, number),
    )


def slot_times(db: sqlite3.Connection, account: str, window: Window, now: TimePoint) -> list[float]:
    """Return when each of the window's slot_times is free, as elapsed time, soonest first.

    For a call that has not ended it is the soonest that can be.
    """
    counts = window.seconds + _MARGIN
    free = [
        (row["ended"] if row["is_done"] else min(row["ended"], now.elapsed)) + counts
        for row in db.execute(
            "SELECT ended, is_done FROM calls WHERE account = ? AND boot = ? AND ended > ?",
            (account, now.boot, now.elapsed - counts),
        )
    ]
    if now.elapsed < counts:
        earlier = "SELECT 1 FROM calls WHERE account = ? AND boot <> ? LIMIT ?"
        free += [counts for _ in db.execute(earlier, (account, now.boot, window.calls))]
    never_used = [now.elapsed] * (window.calls - len(free))
    return sorted(never_used + free)[-window.calls :]


def read_day_usage(db: sqlite3.Connection, budget: Budget, now: TimePoint) -> DayUsage:
    """Count the provider's present day, by every reading of the wall clock that may be right."""
    readings = _readings(db, budget.account, now)
    days = [(moment, LocalDay.containing(moment.instant, budget.timezone)) for moment in readings]
    starts = [(m.wall - _begins(day), _begins(day)) for m, day in days]
    longest = max(ago for ago, _ in starts)
    # What is older than this boot is at least as old as the boot.
    first = min((wall for ago, wall in starts if ago >= now.elapsed), default=inf)
    counted = db.execute(
        "SELECT purpose, count(*) AS calls FROM ("
        "SELECT purpose FROM calls WHERE account = ? AND boot = ? AND ended >= ? UNION ALL "
        "SELECT purpose FROM calls WHERE account = ? AND boot <> ? AND ended_wall >= ?"
        ") GROUP BY purpose",
        (budget.account, now.boot, now.elapsed - longest, budget.account, now.boot, first),
    )
    by_purpose = {row["purpose"]: row["calls"] for row in counted}
    ends = min(now.instant + (day.ends - moment.instant) for moment, day in days)
    whole, until = _refused_today(db, budget.account, now, days)
    if until is not None and not whole:
        return DayUsage(by_purpose, until, is_refused=True)
    return DayUsage(by_purpose, ends, is_refused=whole)


def insert_refusal(
    db: sqlite3.Connection, account: str, now: TimePoint, *, is_of_day: bool, seconds: float | None
) -> None:
    """Write that the provider refuses for so many seconds, or until its day ends."""
    db.execute(
        "DELETE FROM refusals WHERE account = ? AND wall < ?", (account, now.wall - 2 * _DAY)
    )
    values = (account, is_of_day, seconds, now.boot, now.elapsed, now.wall)
    db.execute("INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?)", values)


def refusal_seconds(db: sqlite3.Connection, account: str, now: TimePoint) -> float:
    """Return for how many seconds the provider is not to be asked, apart from its day."""
    said = db.execute("SELECT * FROM refusals WHERE account = ? AND is_of_day = 0", (account,))
    return max((row["seconds"] - now.seconds_since(_time_point(row)) for row in said), default=0.0)


def has_day_refusal(db: sqlite3.Connection, account: str) -> bool:
    """Return whether there may be a refusal of the day, perhaps of one that is over."""
    said = "SELECT 1 FROM refusals WHERE account = ? AND is_of_day = 1 LIMIT 1"
    return db.execute(said, (account,)).fetchone() is not None


def enqueue(
    db: sqlite3.Connection, account: str, now: TimePoint, *, ticket: int | None, seconds: float
) -> int:
    """Write that a caller waits so long, and return its ticket; it keeps the one that it has."""
    values = (ticket, account, now.boot, now.elapsed + seconds)
    row = db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", values).lastrowid
    assert row is not None
    return row


def dequeue(db: sqlite3.Connection, ticket: int | None, now: TimePoint) -> None:
    """Forget a ticket, and those of callers that died."""
    gone = (ticket, now.boot, now.elapsed - 60.0)
    db.execute("DELETE FROM waiting WHERE ticket IS ? OR boot <> ? OR due < ?", gone)


def count_waiting(
    db: sqlite3.Connection, account: str, now: TimePoint, ticket: int | None = None
) -> int:
    """Return how many living callers wait, of those with a ticket the ones before it."""
    row = db.execute(
        "SELECT count(*) FROM waiting WHERE account = ? AND boot = ? AND due >= ? "
        "AND ticket < coalesce(?, 1 << 62)",
        (account, now.boot, now.elapsed - _LATE, ticket),
    ).fetchone()
    return int(row[0])


def _readings(db: sqlite3.Connection, account: str, now: TimePoint) -> list[TimePoint]:
    """Return now as the wall clock has it, and as it had it before it was set today."""
    readings = [now]
    within = "FROM calls WHERE account = :account AND boot = :boot AND ended >= :since"
    kept = db.execute(
        f"SELECT round(began_wall - began, 2) {within} UNION "
        f"SELECT round(ended_wall - ended, 2) {within}",
        {"account": account, "boot": now.boot, "since": now.elapsed - _DAY},
    )
    for (ahead,) in kept:
        wall = now.elapsed + ahead
        if all(abs(wall - other.wall) > _STEP for other in readings):
            readings.append(TimePoint(now.boot, now.elapsed, wall))
    return readings


def _refused_today(
    db: sqlite3.Connection, account: str, now: TimePoint, days: list[tuple[TimePoint, LocalDay]]
) -> tuple[bool, datetime | None]:
    """Return whether the whole day is refused, and until when a shorter refusal holds."""
    whole, until = False, None
    said = db.execute("SELECT * FROM refusals WHERE account = ? AND is_of_day = 1", (account,))
    for row in said:
        then = _time_point(row)
        if row["seconds"] is None:
            whole |= any(m.seconds_since(then) <= m.wall - _begins(day) for m, day in days)
        elif (left := row["seconds"] - now.seconds_since(then)) > 0:
            until = max(now.plus(left).instant, until or datetime.min.replace(tzinfo=UTC))
    return whole, until


def _begins(day: LocalDay) -> float:
    return day.starts.timestamp() - _STEP


def _time_point(row: sqlite3.Row) -> TimePoint:
    return TimePoint(row["boot"], row["elapsed"], row["wall"])
