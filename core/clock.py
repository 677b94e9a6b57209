"""The clock that is passed to all code that needs the time.

Tests and replays pass a clock that they move. Sessions and budgets are not defined here.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """A wall clock, which can be set, and an elapsed time, which only increases."""

    @property
    def boot_id(self) -> str:
        """Identifier of the current boot; compare `elapsed` only within one boot."""
        ...

    def now(self) -> datetime:
        """Return the current time of the wall clock in UTC."""
        ...

    def elapsed(self) -> float:
        """Return the seconds since the machine started, including suspended time."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for a number of seconds."""
        ...


class SystemClock:
    """The clock of this machine, shared by all its processes."""

    @cached_property
    def boot_id(self) -> str:
        """Identifier of the current boot; compare `elapsed` only within one boot."""
        return _BOOT_ID.read_text(encoding="ascii").strip()

    def now(self) -> datetime:
        """Return the current time of the wall clock in UTC."""
        return datetime.now(UTC)  # noqa: TID251  the only place that reads it

    def elapsed(self) -> float:
        """Return the seconds since the machine started, including suspended time."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Block for a number of seconds."""
        time.sleep(seconds)
