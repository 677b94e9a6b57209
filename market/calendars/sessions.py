"""Sessions of one exchange: dates, closing times and arithmetic.

`market.calendars.published` loads the calendars.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import NoReturn

import numpy as np
import polars as pl

from core.errors import BarsError, SettingsError
from market.calendars.published import Calendar, calendar_names, load_calendar

UPGRADE = (
    "install a newer `exchange-calendars`, which adds the holidays of later years (`uv pip install "
    "--upgrade exchange-calendars`), or stop following these tickers"
)


class Sessions:
    """The sessions of one exchange, from 1970 to 2039, or as far as its calendar is published.

    The holidays of some exchanges (XSHG, XBOM, XSES) are published one year at a time, so their
    calendars end soon, see `published_until`. The date of the machine has no influence.

    The calendar is built on first use and shared by all instances in a process.

    Parameters
    ----------
    exchange
        MIC, such as ``XNYS``, or an alias of `exchange_calendars`, such as ``NYSE``.

    Raises
    ------
    SettingsError
        If `exchange_calendars` has no such calendar. The message suggests similar names.

    Examples
    --------
    >>> Sessions("XNYS").exchange
    'XNYS'
    """

    def __init__(self, exchange: str = "XNYS") -> None:
        names = calendar_names()
        if exchange not in names:
            similar = get_close_matches(exchange.upper(), names, n=3)
            hint = (
                f"did you mean {', '.join(similar)}?"
                if similar
                else "XNYS covers the US exchanges."
            )
            msg = f"`exchange` must be a MIC code with a known calendar, got {exchange!r}; {hint}"
            raise SettingsError(msg)
        self.exchange = exchange

    @property
    def first(self) -> date:
        """The first session of the calendar.

        Examples
        --------
        >>> Sessions("XNYS").first
        datetime.date(1970, 1, 2)
        """
        return _to_date(self._calendar.sessions[0])

    @property
    def last(self) -> date:
        """The last session of the calendar.

        Examples
        --------
        >>> Sessions("XNYS").last
        datetime.date(2039, 12, 30)
        """
        return _to_date(self._calendar.sessions[-1])

    @property
    def published_until(self) -> date | None:
        """The last date with published holidays, or None if rules determine all holidays.

        Examples
        --------
        >>> Sessions("XNYS").published_until is None
        True
        >>> Sessions("XSHG").published_until >= date(2026, 12, 31)
        True
        """
        return self._calendar.published_until

    @property
    def timezone(self) -> str:
        """The IANA time zone of the exchange.

        Examples
        --------
        >>> Sessions("XNYS").timezone
        'America/New_York'
        """
        return self._calendar.timezone

    def between(self, start: date, end: date) -> pl.Series:
        """Return the sessions from `start` to `end`, both included, as a Date series.

        The part of the range outside the calendar contains no sessions.

        Examples
        --------
        >>> Sessions("XNYS").between(date(2024, 7, 3), date(2024, 7, 8)).to_list()
        [datetime.date(2024, 7, 3), datetime.date(2024, 7, 5), datetime.date(2024, 7, 8)]
        """
        sessions = self._calendar.sessions
        lower = np.searchsorted(sessions, np.datetime64(start, "D"), side="left")
        upper = np.searchsorted(sessions, np.datetime64(end, "D"), side="right")
        return pl.Series("session", sessions[lower:upper], dtype=pl.Date)

    def is_session(self, session: date) -> bool:
        """Return whether the exchange is open on that date.

        Examples
        --------
        >>> Sessions("XNYS").is_session(date(2024, 7, 4))
        False
        """
        sessions = self._calendar.sessions
        day = np.datetime64(session, "D")
        index = int(np.searchsorted(sessions, day))
        return index < len(sessions) and bool(sessions[index] == day)

    def last_closed(self, now: datetime) -> date:
        """Return the last session that has closed at or before `now`.

        Raises
        ------
        ValueError
            If `now` has no time zone, because the result would depend on the machine.
        BarsError
            If `now` is outside the calendar.

        Examples
        --------
        >>> Sessions("XNYS").last_closed(datetime(2024, 7, 5, 19, 59, tzinfo=UTC))
        datetime.date(2024, 7, 3)
        >>> Sessions("XNYS").last_closed(datetime(2024, 7, 5, 20, 0, tzinfo=UTC))
        datetime.date(2024, 7, 5)
        """
        if now.tzinfo is None:
            msg = f"`now` must have a time zone, got {now!r}; use datetime.now(UTC)."
            raise ValueError(msg)
        closes = self._calendar.closes
        instant = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
        n_closed = int(np.searchsorted(closes, instant, side="right"))
        if n_closed == 0 or _to_date(instant) > self._calendar.end:
            self._refuse("now", now.isoformat(), is_late=n_closed > 0)
        return _to_date(self._calendar.sessions[n_closed - 1])

    def offset(self, session: date, n: int) -> date:
        """Return the session `n` sessions after `session`, or before it if `n` is negative.

        Raises
        ------
        BarsError
            If `session` is not a session, or the result is outside the calendar.

        Examples
        --------
        >>> Sessions("XNYS").offset(date(2024, 7, 3), 1)
        datetime.date(2024, 7, 5)
        """
        index = self._index(session) + n
        if not 0 <= index < len(self._calendar.sessions):
            self._refuse("n", f"{n} sessions from {session}", is_late=index > 0)
        return _to_date(self._calendar.sessions[index])

    def close_time(self, session: date) -> datetime:
        """Return the closing time of `session` in UTC, including early closes.

        Raises
        ------
        BarsError
            If `session` is not a session.

        Examples
        --------
        >>> Sessions("XNYS").close_time(date(2024, 7, 3)).isoformat()
        '2024-07-03T17:00:00+00:00'
        """
        close: datetime = self._calendar.closes[self._index(session)].astype(datetime)
        return close.replace(tzinfo=UTC)

    @property
    def _calendar(self) -> Calendar:
        return load_calendar(self.exchange)

    def _index(self, session: date) -> int:
        if self.is_session(session):
            return int(np.searchsorted(self._calendar.sessions, np.datetime64(session, "D")))
        if not self.first <= session <= self.last:
            self._refuse("session", str(session), is_late=session > self.last)
        after = np.searchsorted(self._calendar.sessions, np.datetime64(session, "D"))
        before, following = map(_to_date, self._calendar.sessions[after - 1 : after + 1])
        msg = (
            f"`session` must be a session of {self.exchange}, got {session}; "
            f"the sessions around it are {before} and {following}."
        )
        raise BarsError(msg)

    def _refuse(self, parameter: str, value: str, *, is_late: bool) -> NoReturn:
        remedy = UPGRADE if is_late and self.published_until else "choose a date within it"
        msg = (
            f"`{parameter}` must be within the {self.exchange} calendar, {self.first} to "
            f"{self.last}, got {value}; {remedy}."
        )
        raise BarsError(msg)


def _to_date(value: np.datetime64) -> date:
    day: date = value.astype("datetime64[D]").astype(date)
    return day
