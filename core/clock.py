"""Time as code asks for it, so that a test can run a week in a second.

What a day, a session or a budget's renewal is belongs to those who know about calendars and limits.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """The wall clock, which people and drifting batteries set, and one that only goes forward."""

    @property
    def boot_id(self) -> str:
        """Name of the present boot; readings of `elapsed` compare within one boot alone."""
        ...

    def now(self) -> datetime:
        """Return the present instant in UTC, as the wall clock has it."""
        ...

    def elapsed(self) -> float:
        """Return the seconds since the machine started, sleep included; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The clocks of this machine, which all its processes share."""

    @cached_property
    def boot_id(self) -> str:
        """Name of the present boot; readings of `elapsed` compare within one boot alone."""
        return _BOOT_ID.read_text(encoding="ascii").strip()

    def now(self) -> datetime:
        """Return the present instant in UTC, as the wall clock has it."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return the seconds since the machine started, sleep included; never goes back."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)
