"""One instant as both clocks have it, and how long ago another one was.

Keeping limits by it is `quota` and `health`; the clocks themselves are `clock`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.clock import Clock


@dataclass(frozen=True)
class TimePoint:
    """An instant: which boot, seconds since it began, and seconds of the wall clock since 1970."""

    boot: str
    elapsed: float
    wall: float

    @classmethod
    def of(cls, clock: Clock) -> TimePoint:
        """Read the clocks."""
        return cls(clock.boot_id, clock.elapsed(), clock.now().timestamp())

    def plus(self, seconds: float) -> TimePoint:
        """Return the moment so many seconds on, if nobody sets the wall clock and no boot comes."""
        return TimePoint(self.boot, self.elapsed + seconds, self.wall + seconds)

    def seconds_since(self, earlier: TimePoint) -> float:
        """Return the seconds that have passed since `earlier`, as well as can be known.

        Within a boot the wall clock has no say. Across boots it has; but what happened before
        this boot is at least as long ago as the boot, also when the wall clock went back.
        """
        if self.boot == earlier.boot:
            return self.elapsed - earlier.elapsed
        return max(self.elapsed, self.wall - earlier.wall)

    @property
    def instant(self) -> datetime:
        """The wall clock's reading, in UTC."""
        return datetime.fromtimestamp(self.wall, UTC)


@dataclass(frozen=True)
class LocalDay:
    """The day of a time zone that an instant falls in; 23 to 25 hours long."""

    starts: datetime
    ends: datetime

    @classmethod
    def around(cls, instant: datetime, timezone: str) -> LocalDay:
        """Return the day, midnight to midnight of the zone, in UTC."""
        zone = ZoneInfo(timezone)
        midnight = instant.astimezone(zone).replace(
            hour=0, minute=0, second=0, microsecond=0, fold=0
        )
        # Wall arithmetic, then the offset of that date: a day of 23 or 25 hours comes out right.
        tomorrow = midnight + timedelta(days=1)
        return cls(midnight.astimezone(UTC), tomorrow.astimezone(UTC))
