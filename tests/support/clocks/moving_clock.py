"""A clock that a test moves. `sleep` advances it and returns at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class MovingClock:
    """A clock that stands still until a test advances it, with separate wall and elapsed time."""

    def __init__(self, start: datetime) -> None:
        self._wall = start.astimezone(UTC)
        self._elapsed = 1_000.0
        self._boots = 1
        self._lock = threading.Lock()

    @property
    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def now(self) -> datetime:
        with self._lock:
            return self._wall

    def elapsed(self) -> float:
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, *, days: float = 0.0, hours: float = 0.0, seconds: float = 0.0) -> None:
        """Advance wall clock and elapsed time."""
        passed = timedelta(days=days, hours=hours, seconds=seconds)
        with self._lock:
            self._wall += passed
            self._elapsed += passed.total_seconds()

    def move_to(self, instant: datetime) -> None:
        """Advance wall clock and elapsed time until `instant`."""
        self.advance(seconds=(instant - self.now()).total_seconds())

    def set_wall(self, instant: datetime) -> None:
        """Set only the wall clock, as a person or a time server does."""
        with self._lock:
            self._wall = instant.astimezone(UTC)

    def reboot(self, *, seconds: float = 0.0) -> None:
        """Reboot the machine after `seconds`. The elapsed time starts again."""
        with self._lock:
            self._wall += timedelta(seconds=seconds)
            self._elapsed = 5.0
            self._boots += 1
