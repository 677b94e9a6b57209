"""The published calendars of `exchange_calendars`, with the corrections that are in use.

`market.calendars.sessions` has their arithmetic.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import SettingsError
from market.calendars.corrections import Correction, corrections_in_use

logger = logging.getLogger(__name__)

# From this date on, exchange_calendars matches the published US sessions; before, it lists some
# holidays as sessions. Its default is to start only twenty years ago.
FIRST_SUPPORTED = date(1970, 1, 1)
# Its default is to end a year after the date of the machine, which a replay must not depend on.
LAST_SUPPORTED = date(2039, 12, 31)
# Sessions that show the usual closing time; a few of them may close early.
_USUAL_SESSIONS = 10


@dataclass(frozen=True)
class Calendar:
    """Sessions and closing times of one exchange.

    Attributes
    ----------
    sessions
        Dates, sorted, ``datetime64[D]``.
    closes
        Closing time of each session in UTC, ``datetime64[us]``.
    timezone
        IANA time zone of the exchange.
    end
        Last date that the calendar covers.
    published_until
        Last date with published holidays, or None if rules determine all holidays.
    """

    sessions: np.ndarray[Any, np.dtype[np.datetime64]]
    closes: np.ndarray[Any, np.dtype[np.datetime64]]
    timezone: str
    end: date
    published_until: date | None


@cache
def calendar_names() -> tuple[str, ...]:
    """Return the names of all calendars, aliases included.

    Examples
    --------
    >>> {"XNYS", "NYSE", "24/7"} <= {*calendar_names()}
    True
    """
    import exchange_calendars  # noqa: PLC0415  # imports pandas, which takes a second

    return tuple(exchange_calendars.get_calendar_names())


def check_exchanges(corrections: Iterable[Correction]) -> None:
    """Check that each correction names a calendar.

    Raises
    ------
    ValueError
        If a correction names none.

    Examples
    --------
    >>> check_exchanges([Correction("XHKG", date(2023, 9, 1), is_open=False)])
    """
    for correction in corrections:
        if correction.exchange not in calendar_names():
            msg = f"each correction must name the MIC of a known calendar, got {str(correction)!r}"
            raise ValueError(msg)


def load_calendar(exchange: str) -> Calendar:
    """Return the calendar of an exchange with the corrections in use; built on first use.

    Raises
    ------
    SettingsError
        If a correction adds a session outside the calendar.

    Examples
    --------
    >>> load_calendar("XHKG").timezone
    'Asia/Hong_Kong'
    """
    return _load_corrected(exchange, corrections_in_use())


@cache
def _load_corrected(exchange: str, corrections: tuple[Correction, ...]) -> Calendar:
    calendar = _load_published(exchange)
    if not corrections:
        return calendar
    from exchange_calendars import resolve_alias  # noqa: PLC0415

    for correction in corrections:
        if resolve_alias(correction.exchange) == resolve_alias(exchange):
            calendar = _corrected(calendar, correction)
    return calendar


@cache
def _load_published(exchange: str) -> Calendar:
    import exchange_calendars  # noqa: PLC0415

    # The bounds of the class are needed before the calendar is built.
    kind = type(exchange_calendars.get_calendar(exchange))
    first, last = kind.bound_min(), kind.bound_max()
    start = FIRST_SUPPORTED if first is None else max(first.date(), FIRST_SUPPORTED)
    end = LAST_SUPPORTED if last is None else min(last.date(), LAST_SUPPORTED)
    calendar = kind(start=str(start), end=str(end))
    return Calendar(
        sessions=calendar.sessions.to_numpy().astype("datetime64[D]"),
        closes=calendar.closes.dt.tz_localize(None).to_numpy().astype("datetime64[us]"),
        timezone=str(calendar.tz),
        end=end,
        published_until=None if last is None else last.date(),
    )


def _corrected(calendar: Calendar, correction: Correction) -> Calendar:
    day = np.datetime64(correction.session, "D")
    at = int(np.searchsorted(calendar.sessions, day))
    is_open = at < len(calendar.sessions) and bool(calendar.sessions[at] == day)
    if is_open == correction.is_open:
        logger.warning("event=calendar_correction_not_needed correction=%s", correction)
        return calendar
    if not correction.is_open:
        return replace(
            calendar,
            sessions=np.delete(calendar.sessions, at),
            closes=np.delete(calendar.closes, at),
        )
    if at == 0 or correction.session > calendar.end:
        msg = (
            f"STOCKCAST_CALENDAR_CORRECTIONS must add sessions within the calendar, after "
            f"{calendar.sessions[0]} and up to {calendar.end}, got {str(correction)!r}."
        )
        raise SettingsError(msg)
    close = _usual_close(
        calendar.closes[max(0, at - _USUAL_SESSIONS) : at], correction.session, calendar.timezone
    )
    return replace(
        calendar,
        sessions=np.insert(calendar.sessions, at, day),
        closes=np.insert(calendar.closes, at, close),
    )


def _usual_close(
    closes: Sequence[np.datetime64] | np.ndarray[Any, Any], session: date, timezone: str
) -> np.datetime64:
    """Return the latest of the closing times of day in `closes`, on `session`, in UTC."""
    zone = ZoneInfo(timezone)
    local = [close.astype(datetime).replace(tzinfo=UTC).astimezone(zone) for close in closes]
    latest = max(close.time() for close in local)
    close = datetime.combine(session, latest, zone).astimezone(UTC)
    return np.datetime64(close.replace(tzinfo=None), "us")
