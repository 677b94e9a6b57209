"""Exchange-calendar arithmetic: which dates are sessions, and when they close.

The calendars come from `exchange_calendars`; nothing here knows about bars or prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, NoReturn

import numpy as np
import polars as pl

from core.errors import BarsError, SettingsError

# exchange_calendars agrees with published US sessions from here on; before, it takes some holidays
# for sessions. By default it would start only twenty years ago.
FIRST_KNOWN = date(1970, 1, 1)


class Sessions:
    """The sessions of one exchange, from 1970 (or the calendar's own first) to a year ahead.

    The calendar is built at the first question and shared by all instances of a process.

    Parameters
    ----------
    exchange
        MIC code, such as ``XNYS``; aliases of `exchange_calendars` such as ``NYSE`` work too.

    Raises
    ------
    SettingsError
        For an exchange that `exchange_calendars` does not know, with near names.
    """

    def __init__(self, exchange: str = "XNYS") -> None:
        names = _calendar_names()
        if exchange not in names:
            near = get_close_matches(exchange.upper(), names, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "XNYS covers the US exchanges."
            msg = f"`exchange` must be a MIC code with a known calendar, got {exchange!r}; {hint}"
            raise SettingsError(msg)
        self.exchange = exchange

    @property
    def first(self) -> date:
        """The first session that the calendar covers."""
        return _to_date(self._calendar.sessions[0])

    @property
    def last(self) -> date:
        """The last session that the calendar covers, about a year ahead of today."""
        return _to_date(self._calendar.sessions[-1])

    @property
    def timezone(self) -> str:
        """The exchange's time zone, such as ``America/New_York``."""
        return self._calendar.timezone

    def between(self, start: date, end: date) -> pl.Series:
        """Return the sessions from `start` to `end`, both included, as a Date series.

        Dates outside the calendar's bounds hold no sessions.
        """
        sessions = self._calendar.sessions
        lower = np.searchsorted(sessions, np.datetime64(start, "D"), side="left")
        upper = np.searchsorted(sessions, np.datetime64(end, "D"), side="right")
        return pl.Series("session", sessions[lower:upper], dtype=pl.Date)

    def is_session(self, session: date) -> bool:
        """Say whether the exchange trades on that date."""
        sessions = self._calendar.sessions
        day = np.datetime64(session, "D")
        at = int(np.searchsorted(sessions, day))
        return at < len(sessions) and bool(sessions[at] == day)

    def last_closed(self, now: datetime) -> date:
        """Return the last session whose close is at or before `now`.

        Raises
        ------
        ValueError
            When `now` has no time zone: the answer would depend on the machine.
        BarsError
            When `now` lies outside the calendar.
        """
        if now.tzinfo is None:
            msg = f"`now` must have a time zone, got {now!r}; use datetime.now(UTC)."
            raise ValueError(msg)
        closes = self._calendar.closes
        instant = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
        closed = int(np.searchsorted(closes, instant, side="right"))
        if closed == 0 or _to_date(instant) > self.last:
            self._refuse("now", now.isoformat())
        return _to_date(self._calendar.sessions[closed - 1])

    def offset(self, session: date, n: int) -> date:
        """Return the session `n` sessions after `session` (before it when negative).

        Raises
        ------
        BarsError
            When `session` is not a session, or the answer lies outside the calendar.
        """
        at = self._index(session) + n
        if not 0 <= at < len(self._calendar.sessions):
            self._refuse("n", f"{n} sessions from {session}")
        return _to_date(self._calendar.sessions[at])

    def close_time(self, session: date) -> datetime:
        """Return the instant, in UTC, at which `session` closes; early closes are respected.

        Raises
        ------
        BarsError
            When `session` is not a session.
        """
        close: datetime = self._calendar.closes[self._index(session)].astype(datetime)
        return close.replace(tzinfo=UTC)

    @property
    def _calendar(self) -> _Calendar:
        today = datetime.now(UTC)
        return _load(self.exchange, today.year, today.month)

    def _index(self, session: date) -> int:
        if self.is_session(session):
            at = np.searchsorted(self._calendar.sessions, np.datetime64(session, "D"))
            return int(at)
        if not self.first <= session <= self.last:
            self._refuse("session", str(session))
        after = np.searchsorted(self._calendar.sessions, np.datetime64(session, "D"))
        before, following = map(_to_date, self._calendar.sessions[after - 1 : after + 1])
        msg = (
            f"`session` must be a session of {self.exchange}, got {session}; "
            f"the sessions around it are {before} and {following}."
        )
        raise BarsError(msg)

    def _refuse(self, parameter: str, value: str) -> NoReturn:
        msg = (
            f"`{parameter}` must stay within the {self.exchange} calendar, {self.first} to "
            f"{self.last}, got {value}; choose a date within it."
        )
        raise BarsError(msg)


@dataclass(frozen=True)
class _Calendar:
    sessions: np.ndarray[Any, np.dtype[np.datetime64]]  # [D]
    closes: np.ndarray[Any, np.dtype[np.datetime64]]  # [us], UTC
    timezone: str


@cache
def _calendar_names() -> tuple[str, ...]:
    import exchange_calendars  # noqa: PLC0415  # brings pandas: a second

    return tuple(exchange_calendars.get_calendar_names())


@cache
def _load(exchange: str, year: int, month: int) -> _Calendar:  # noqa: ARG001
    """Build a calendar that reaches a year ahead; year and month keep a long process's fresh."""
    import exchange_calendars  # noqa: PLC0415

    # The public way to a calendar's class, whose bounds must be known before the build.
    kind = type(exchange_calendars.get_calendar(exchange))
    bound = kind.bound_min()
    start = str(FIRST_KNOWN) if bound is None else max(str(bound.date()), str(FIRST_KNOWN))
    calendar = kind(start=start)
    return _Calendar(
        sessions=calendar.sessions.to_numpy().astype("datetime64[D]"),
        closes=calendar.closes.dt.tz_localize(None).to_numpy().astype("datetime64[us]"),
        timezone=str(calendar.tz),
    )


def _to_date(value: np.datetime64) -> date:
    day: date = value.astype("datetime64[D]").astype(date)
    return day
