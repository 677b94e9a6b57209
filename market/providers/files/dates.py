"""Parsing of dates and time stamps. The column as a whole decides on its format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from math import log
from operator import itemgetter
from statistics import median
from zoneinfo import ZoneInfo

import polars as pl

from core.errors import BarsError
from market.calendars.sessions import Sessions

# A naive time stamp gives its own date; an aware one is converted to the zone of the exchange.
Parse = Callable[[str], datetime | None]

_TIME = (
    r"(?:[ T,]\s*(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<off_hour>\d{2}):?"
    r"(?P<off_minute>\d{2}))?)?$"
)
_YEAR_FIRST = (
    r"^(?P<year>\d{4})(?:[-/.]|\. |年)(?P<month>\d{1,2})(?:[-/.]|\. |月)(?P<day>\d{1,2})[.日]?"
)
_SHORT_YEAR_FIRST = r"^(?P<year>\d{2})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
_COMPACT = r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
_NUMBERS = r"^(?P<{}>\d{{1,2}})[-/.](?P<{}>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}})"
_WEEKDAY = r"^(?:[^\W\d_]{2,10}[.,]*\s+(?=\S+\s+\S+\s+\S))?"
_DAY_NAME = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[-\s/.]*(?:de\s+)?(?P<name>[^\W\d_]{3,12})[.,]?"
_NAME_DAY = r"(?P<name>[^\W\d_]{3,12})[-\s/.]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?"
_YEAR_LAST = r"[-\s/.]+(?:de\s+)?(?P<year>\d{4}|\d{2})"
# First letters of the names of months, in English, German, French, Spanish, Italian, Portuguese
# and Dutch.
_NAMES = (
    *(
        "jan ene gen",
        "feb fev",
        "mar mrz mrt maa",
        "apr abr avr",
        "may mai mei mag",
        "jun juin giu",
    ),
    *("jul juil lug", "aug ago aou", "sep set", "oct okt out ott", "nov", "dec dez dic"),
)
_MONTHS = {name: month for month, names in enumerate(_NAMES, 1) for name in names.split()}
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}(?:$|[ T]\d)")
_EPOCH = re.compile(r"^-?\d{1,20}(?:\.\d*)?$")
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EXCEL_EPOCH = date(1899, 12, 30)
_EXCEL_RANGE = (25_569, 73_050)  # 1970 to 2099
_DAY = 86_400
# Some sources have rows on holidays. A wrong order of day and month puts two of seven on weekends.
_MAX_HOLIDAYS = 0.06
# A file of many time zones has several stamps per day.
_MAX_STEPS_PER_DAY = 300
_LAST_EPOCH = 4_102_444_800  # 2100
_FIRST_EPOCH = -2_208_988_800  # 1900
# Years of two digits: 69 is 2069 in no file of bars, and 1969 is before the calendars.
_CENTURY = 70


@dataclass(frozen=True)
class DateFormat:
    """One way to read the dates of a column.

    Attributes
    ----------
    name
        Description for the user; empty if the year is first, which no other format can match.
    parse
        Returns the time stamp of a cell, or None if the cell has another format.
    """

    name: str
    parse: Parse


def choose_date_format(
    cells: pl.Series, sessions: Sessions, where: str, column: str
) -> tuple[str, dict[str, datetime]]:
    """Return the name of the format of a column, and the time stamp of each cell that has it.

    Parameters
    ----------
    cells
        Cells as text; missing cells are null.
    sessions
        Calendar that rules out formats whose dates are no sessions.
    where, column
        Names of the file and the column for errors.

    Raises
    ------
    BarsError
        If day and month can be read in both orders.
    """
    texts = cells.drop_nulls().unique(maintain_order=True).to_list()
    parsed: dict[DateFormat, dict[str, datetime]] = {}
    for form in _formats(texts):
        parsed[form] = {text: stamp for text in texts if (stamp := form.parse(text)) is not None}
        if not form.name and len(parsed[form]) == len(texts):
            return form.name, parsed[form]
    most = max(map(len, parsed.values()))
    best = [form for form, stamps in parsed.items() if len(stamps) == most]
    if len(best) > 1 and most:
        best = _without_other_days(best, parsed, sessions)
    if len({tuple(parsed[form].values()) for form in best}) > 1:
        first = next(iter(parsed[best[0]]))
        ways = " and as ".join(form.name for form in best)
        msg = (
            f"{where}, column {column!r}: dates such as {first!r} can be read as {ways}, and no "
            f"date decides it; write them as 2024-01-31."
        )
        raise BarsError(msg)
    return best[0].name, parsed[best[0]]


def _without_other_days(
    best: Sequence[DateFormat],
    parsed: dict[DateFormat, dict[str, datetime]],
    sessions: Sessions,
) -> list[DateFormat]:
    """Return the formats whose dates are in the calendar, except for a few holidays."""
    wrong = {
        form: sum(not sessions.is_session(stamp.date()) for stamp in parsed[form].values())
        for form in best
    }
    n_dates = len(parsed[best[0]])
    limit = max(_MAX_HOLIDAYS * n_dates, min(wrong.values()))
    return [form for form in best if wrong[form] <= limit]


def _formats(texts: Sequence[str]) -> list[DateFormat]:
    formats = [
        DateFormat("", _parse_iso),
        DateFormat("", _by_pattern(_COMPACT + _TIME)),
        DateFormat("day/month/year", _by_pattern(_NUMBERS.format("day", "month") + _TIME)),
        DateFormat("month/day/year", _by_pattern(_NUMBERS.format("month", "day") + _TIME)),
        DateFormat("year/month/day", _by_pattern(_SHORT_YEAR_FIRST + _TIME)),
        DateFormat("names of months", _by_pattern(_WEEKDAY + _DAY_NAME + _YEAR_LAST + _TIME)),
        DateFormat("names of months", _by_pattern(_WEEKDAY + _NAME_DAY + _YEAR_LAST + _TIME)),
    ]
    if any(map(_EPOCH.match, texts)) and not all(map(formats[1].parse, texts)):
        formats += _number_formats([float(text) for text in texts if _EPOCH.match(text)])
    return formats


def _parse_iso(text: str) -> datetime | None:
    # The standard library is ten times as fast as the pattern.
    if _ISO.match(text):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return _parse_year_first(text)


def _by_pattern(pattern: str) -> Parse:
    compiled = re.compile(pattern, re.IGNORECASE)

    def parse(text: str) -> datetime | None:
        match = compiled.match(text)
        if match is None:
            return None
        part = match.groupdict()
        year = int(part["year"])
        if len(part["year"]) == 2:  # noqa: PLR2004  # digits
            year += 1900 if year >= _CENTURY else 2000
        month = _month(part["name"]) if "name" in part else int(part["month"])
        with suppress(ValueError):
            return datetime.combine(date(year, month, int(part["day"])), _time(part), _zone(part))
        return None

    return parse


_parse_year_first = _by_pattern(_YEAR_FIRST + _TIME)


def _time(part: dict[str, str | None]) -> time:
    hour = int(part["hour"] or 0)
    if part["half"] is not None:
        hour = hour % 12 + (12 if part["half"].lower().startswith("p") else 0)
    return time(hour, int(part["minute"] or 0), int(part["second"] or 0))


def _zone(part: dict[str, str | None]) -> timezone | None:
    if part["utc"]:
        return UTC
    if not part["sign"]:
        return None
    offset = timedelta(hours=int(part["off_hour"] or 0), minutes=int(part["off_minute"] or 0))
    return timezone(-offset if part["sign"] == "-" else offset)


def _month(name: str) -> int:
    decomposed = unicodedata.normalize("NFKD", name.lower())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    # 0 is no month, so that `date` refuses it.
    return next((n for start, n in _MONTHS.items() if letters.startswith(start)), 0)


def _number_formats(values: Sequence[float]) -> list[DateFormat]:
    """Return the format of numbers: days of Excel, or epochs in the unit that gives daily bars."""
    if all(_EXCEL_RANGE[0] <= value <= _EXCEL_RANGE[1] for value in values):
        return [DateFormat("days of Excel", _from_excel)]
    ordered = sorted(set(values))
    step = median([after - before for before, after in pairwise(ordered)]) if ordered[1:] else None
    units = [
        (abs(log(step / per_second / _DAY)) if step else 0.0, name, per_second)
        for name, per_second in _UNITS.items()
        if (not step or abs(log(step / per_second / _DAY)) < log(_MAX_STEPS_PER_DAY))
        and ordered[0] / per_second >= _FIRST_EPOCH
        and ordered[-1] / per_second <= _LAST_EPOCH
    ]
    if not units:
        return []
    # A single number fits the largest unit in range.
    _, name, per_second = min(units, key=itemgetter(0))
    return [DateFormat(f"{name} since 1970", _from_epoch(per_second))]


def _from_excel(text: str) -> datetime | None:
    if not _EPOCH.match(text):
        return None
    return datetime.combine(_EXCEL_EPOCH + timedelta(days=int(float(text))), time())


def _from_epoch(per_second: int) -> Parse:
    def parse(text: str) -> datetime | None:
        if not _EPOCH.match(text):
            return None
        seconds = int(text.partition(".")[0]) // per_second
        with suppress(OverflowError):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return None

    return parse


def local_dates(stamps: Collection[datetime], zone: str) -> dict[datetime, date]:
    """Return the session of each time stamp, as a date of the exchange.

    A naive stamp gives its date. An aware stamp at midnight gives its own date too, because many
    sources write daily bars that way, except if all stamps have the same time of day at the
    exchange and not in their own zone. Other stamps are converted to `zone`.
    """
    exchange = ZoneInfo(zone)
    local = {stamp: stamp.astimezone(exchange) for stamp in stamps if stamp.tzinfo}
    is_local = _n_times(local.values()) == 1 < _n_times(local)
    return {
        stamp: local[stamp].date()
        if stamp.tzinfo and (is_local or stamp.time() != time())
        else stamp.date()
        for stamp in stamps
    }


def _n_times(stamps: Iterable[datetime]) -> int:
    return len({stamp.time() for stamp in stamps})
