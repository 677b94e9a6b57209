"""Time points that stay comparable when the wall clock is set, and the days of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.clock import Clock


@dataclass(frozen=True)
class TimePoint:
    """One instant on both clocks of a machine.

    Parameters
    ----------
    boot
        Identifier of the boot.
    elapsed
        Seconds since that boot.
    wall
        Seconds of the wall clock since 1970-01-01 UTC.
    """

    boot: str
    elapsed: float
    wall: float

    @classmethod
    def of(cls, clock: Clock) -> TimePoint:
        """Return the current time point of a clock."""
        return cls(clock.boot_id, clock.elapsed(), clock.now().timestamp())

    def plus(self, seconds: float) -> TimePoint:
        """Return the time point `seconds` later within the same boot."""
        return TimePoint(self.boot, self.elapsed + seconds, self.wall + seconds)

    def seconds_since(self, earlier: TimePoint) -> float:
        """Return the seconds from `earlier` to this time point.

        Within one boot the result is the difference of the elapsed times, so setting the wall
        clock does not change it. Across boots it is the difference of the wall clocks, but at
        least the time since the last boot, in case the wall clock was set back.
        """
        if self.boot == earlier.boot:
            return self.elapsed - earlier.elapsed
        return max(self.elapsed, self.wall - earlier.wall)

    @property
    def instant(self) -> datetime:
        """Time of the wall clock in UTC."""
        return datetime.fromtimestamp(self.wall, UTC)


@dataclass(frozen=True)
class LocalDay:
    """A day of a time zone, from midnight to midnight; it lasts 23 to 25 hours.

    Parameters
    ----------
    starts, ends
        The two midnights in UTC.
    """

    starts: datetime
    ends: datetime

    @classmethod
    def containing(cls, instant: datetime, timezone: str) -> LocalDay:
        """Return the day of `timezone`, such as ``America/New_York``, that contains `instant`."""
        zone = ZoneInfo(timezone)
        midnight = instant.astimezone(zone).replace(
            hour=0, minute=0, second=0, microsecond=0, fold=0
        )
        # Adding a day to a local time keeps the hour and applies the UTC offset of the new date.
        tomorrow = midnight + timedelta(days=1)
        return cls(midnight.astimezone(UTC), tomorrow.astimezone(UTC))
