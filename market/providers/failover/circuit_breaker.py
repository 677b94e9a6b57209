"""Circuit breakers of providers, shared by all processes with the same home.

A breaker opens after three failures in a row. After a pause of one minute it is half open: one
trial request is allowed while all others are still refused. Each failed trial doubles the pause,
up to half an hour. A success closes the breaker. Pauses are measured by
`core.time_points.TimePoint.seconds_since`, so that setting the wall clock does not change them.
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
# Seconds after which a trial request without a result counts as lost and the next one is allowed.
_TRIAL_TIMEOUT = 120.0
# Successes are frequent: `last_success` is written at most once in this many seconds.
_SUCCESS_INTERVAL = 1.0

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
    """State of the circuit breaker of one provider.

    Attributes
    ----------
    state
        "closed": requests are allowed; "open": requests are refused; "half_open": the pause is
        over and one trial request is allowed.
    failures
        Number of failures since the last success.
    since
        Time in UTC at which the provider went down, or at which it came up again. A trial request
        does not change it. None if the provider was never down.
    retry_at
        Time of the next trial request in UTC, None while the breaker is closed.
    last_success
        Time of the last response in UTC, exact to about a second.
    reason
        Message of the last failure, empty while the provider is up.
    """

    name: str
    state: Literal["closed", "open", "half_open"]
    failures: int
    since: datetime | None
    retry_at: datetime | None
    last_success: datetime | None
    reason: str


class CircuitBreakers:
    """Circuit breakers in an SQLite file that threads and processes share.

    Parameters
    ----------
    path
        SQLite file of the home, created at the first use.
    clock
        The system clock by default.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._database = Database(path, _SCHEMA)

    def allows_request(self, name: str) -> bool:
        """Return whether a request to the provider is allowed. The caller must record the result.

        After the pause of an open breaker, one caller gets True. All other callers get False until
        that caller has recorded the result, or two minutes have passed.
        """
        with self._database.connection() as db:
            row = _row(db, name)
            if row is None or row["pause"] is None:
                return True
            if _seconds_to_trial(row, TimePoint.of(self._clock)) > 0:
                return False
        with self._database.transaction(is_durable=False) as db:
            row, now = _row(db, name), TimePoint.of(self._clock)
            if row is None or row["pause"] is None:
                return True
            if _seconds_to_trial(row, now) > 0:
                return False
            db.execute(
                "UPDATE health SET tried_boot = ?, tried_elapsed = ?, tried_wall = ? "
                "WHERE name = ?",
                (now.boot, now.elapsed, now.wall, name),
            )
            return True

    def record_success(self, name: str) -> None:
        """Record a response of the provider, including one that reports an error."""
        now = TimePoint.of(self._clock)
        with self._database.connection() as db:
            row = _row(db, name)
        if (
            row is not None
            and not row["failures"]
            and abs(now.wall - row["last_success"]) < _SUCCESS_INTERVAL
        ):
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
        """Record a failed request.

        Parameters
        ----------
        reason
            Message for `BreakerState.reason`.
        """
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
            elif now.seconds_since(_time_point(row, "opened")) >= row["pause"]:
                _open(db, name, now, min(_LONGEST, 2 * row["pause"]))
            # Otherwise the request was sent before the breaker opened and does not count.

    def read_states(self) -> list[BreakerState]:
        """Return the states of all providers that were requested before, by name.

        Reading is fast and does not block writers.
        """
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


def _seconds_to_trial(row: sqlite3.Row, now: TimePoint) -> float:
    """Return the seconds until the next trial request is allowed."""
    paused = row["pause"] - now.seconds_since(_time_point(row, "opened"))
    if row["tried_boot"] is None:
        return float(paused)
    return float(max(paused, _TRIAL_TIMEOUT - now.seconds_since(_time_point(row, "tried"))))


def _time_point(row: sqlite3.Row, event: str) -> TimePoint:
    return TimePoint(row[f"{event}_boot"], row[f"{event}_elapsed"], row[f"{event}_wall"])


def _state(row: sqlite3.Row, now: TimePoint) -> BreakerState:
    state: Literal["closed", "open", "half_open"] = "closed"
    retry_at = None
    if row["pause"] is not None:
        is_over = now.seconds_since(_time_point(row, "opened")) >= row["pause"]
        state = "half_open" if is_over else "open"
        retry_at = now.plus(max(0.0, _seconds_to_trial(row, now))).instant
    return BreakerState(
        name=row["name"],
        state=state,
        failures=row["failures"],
        since=_from_wall(row["since"]),
        retry_at=retry_at,
        last_success=_from_wall(row["last_success"]),
        reason=row["reason"],
    )


def _from_wall(wall: float | None) -> datetime | None:
    return None if wall is None else datetime.fromtimestamp(wall, UTC)
