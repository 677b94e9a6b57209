"""Whether a provider is worth asking: a circuit breaker for each, shared by all processes.

Which failures count, and who is asked instead, is `providers.failover`.

A provider that is down three times in a row is left alone for a minute, then one request tries it
while all others still leave it alone; each failed try doubles the time, up to half an hour. One
success and everybody asks again. Times pass by `TimePoint.since`, so that setting the wall clock
neither shortens nor freezes them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from core.clock import Clock, SystemClock
from core.sqlite import Database
from core.time_points import TimePoint

_FAILURES = 3
_SHORTEST, _LONGEST = 60.0, 1800.0
# A try whose process died, or that never reached the provider, makes room for the next after this.
_TRY = 120.0
# Successes come many a second; to write the newest once a second is exact enough for a person.
_NEWS = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS health (
    name TEXT PRIMARY KEY, failures INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    since REAL, last_success REAL,
    pause REAL, opened_boot TEXT, opened_elapsed REAL, opened_wall REAL,
    tried_boot TEXT, tried_elapsed REAL, tried_wall REAL
)
"""


@dataclass(frozen=True)
class BreakerState:
    """How one provider is.

    Attributes
    ----------
    state
        "closed": it is asked; "open": it is left alone; "half_open": one request may try it.
    failures
        Times in a row that it was down.
    since
        When the state changed last, by the wall clock of then, in UTC: down since, or up since; a
        try alone changes nothing. None while it was never down.
    retry_at
        When the next try may be made; None while it is asked anyway.
    last_success
        When it last answered, to a second or so.
    reason
        What it said when it was last down; empty while it is up.
    """

    name: str
    state: Literal["closed", "open", "half_open"]
    failures: int
    since: datetime | None
    retry_at: datetime | None
    last_success: datetime | None
    reason: str


class CircuitBreakers:
    """The breakers of a home's providers; any number of objects, threads and processes share it.

    Parameters
    ----------
    path
        The SQLite file of the home; made when needed.
    clock
        Where time comes from; by default this machine.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._database = Database(path, _SCHEMA)

    def allows_request(self, name: str) -> bool:
        """Return whether to ask the provider now; who gets a yes tells how it went.

        Once its pause is over, one caller gets a yes, and no other one does until that one has told
        or two minutes have passed.
        """
        with self._database.connection() as db:
            row = _row(db, name)
            if row is None or row["pause"] is None:
                return True
            if _left(row, TimePoint.of(self._clock)) > 0:
                return False
        with self._database.transaction(is_durable=False) as db:
            row, now = _row(db, name), TimePoint.of(self._clock)
            if row is None or row["pause"] is None:
                return True
            if _left(row, now) > 0:
                return False
            db.execute(
                "UPDATE health SET tried_boot = ?, tried_elapsed = ?, tried_wall = ? "
                "WHERE name = ?",
                (now.boot, now.elapsed, now.wall, name),
            )
            return True

    def record_success(self, name: str) -> None:
        """Take note that the provider answered, whatever it answered."""
        now = TimePoint.of(self._clock)
        with self._database.connection() as db:
            row = _row(db, name)
        if row is not None and not row["failures"] and abs(now.wall - row["last_success"]) < _NEWS:
            return
        with self._database.transaction(is_durable=False) as db:
            row = _row(db, name)
            was_open = row is not None and row["pause"] is not None
            since = now.wall if was_open else row and row["since"]
            db.execute(
                "INSERT OR REPLACE INTO health (name, since, last_success) VALUES (?, ?, ?)",
                (name, since, now.wall),
            )

    def record_failure(self, name: str, reason: str) -> None:
        """Take note that the provider was down, with a sentence that says how."""
        with self._database.transaction(is_durable=False) as db:
            now = TimePoint.of(self._clock)
            db.execute("INSERT OR IGNORE INTO health (name) VALUES (?)", (name,))
            db.execute(
                "UPDATE health SET failures = failures + 1, reason = ? WHERE name = ?",
                (reason, name),
            )
            row = _row(db, name)
            assert row is not None
            if row["failures"] < _FAILURES:
                return
            if row["pause"] is None:
                _open(db, name, now, _SHORTEST)
                db.execute("UPDATE health SET since = ? WHERE name = ?", (now.wall, name))
            elif now.seconds_since(_moment(row, "opened")) >= row["pause"]:
                _open(db, name, now, min(_LONGEST, 2 * row["pause"]))
            # Else it was asked before others found it down: that is no news.

    def read_states(self) -> list[BreakerState]:
        """Return how every provider is that was ever asked, by name; quick, and stops no writer."""
        with self._database.connection() as db:
            rows = db.execute("SELECT * FROM health ORDER BY name").fetchall()
        now = TimePoint.of(self._clock)
        return [_state(row, now) for row in rows]


def _open(db: sqlite3.Connection, name: str, now: TimePoint, pause: float) -> None:
    db.execute(
        "UPDATE health SET pause = ?, opened_boot = ?, opened_elapsed = ?, opened_wall = ?, "
        "tried_boot = NULL WHERE name = ?",
        (pause, now.boot, now.elapsed, now.wall, name),
    )


def _row(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM health WHERE name = ?", (name,)).fetchone()
    return row


def _left(row: sqlite3.Row, now: TimePoint) -> float:
    """Return the seconds until the next try may be made."""
    paused = row["pause"] - now.seconds_since(_moment(row, "opened"))
    if row["tried_boot"] is None:
        return float(paused)
    return float(max(paused, _TRY - now.seconds_since(_moment(row, "tried"))))


def _moment(row: sqlite3.Row, what: str) -> TimePoint:
    return TimePoint(row[f"{what}_boot"], row[f"{what}_elapsed"], row[f"{what}_wall"])


def _state(row: sqlite3.Row, now: TimePoint) -> BreakerState:
    state: Literal["closed", "open", "half_open"] = "closed"
    retry_at = None
    if row["pause"] is not None:
        is_over = now.seconds_since(_moment(row, "opened")) >= row["pause"]
        state = "half_open" if is_over else "open"
        retry_at = now.plus(max(0.0, _left(row, now))).instant
    return BreakerState(
        name=row["name"],
        state=state,
        failures=row["failures"],
        since=_instant(row["since"]),
        retry_at=retry_at,
        last_success=_instant(row["last_success"]),
        reason=row["reason"],
    )


def _instant(wall: float | None) -> datetime | None:
    return None if wall is None else datetime.fromtimestamp(wall, UTC)
