"""Written dates and time stamps: one format per way to read the cells of a column.

`market.providers.files.cells.day_numbers` reads numbers that count days or seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

# A naive time stamp gives its own date; an aware one is converted to the zone of the exchange.
Parse = Callable[[str], datetime | None]

_TIME = (
    r"(?:[ T,]\s*(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?:(?P<zone>Z|UTC|GMT|EST|EDT)|(?P<sign>[+-])(?P<off_hour>\d{2}):?"
    r"(?P<off_minute>\d{2}))?)?$"
)
_MONTH_DAY = r"(?:[-/.]|\. |月)(?P<day>\d{1,2})[.日]?"
_YEAR_FIRST = r"^(?P<year>\d{4})(?:[-/.]|\. |年)(?P<month>\d{1,2})" + _MONTH_DAY
_SHORT_YEAR_FIRST = r"^(?P<year>\d{2})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
_COMPACT = r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
_SHORT_COMPACT = r"^(?P<{}>\d{{2}})(?P<{}>\d{{2}})(?P<{}>\d{{2}})"
_NUMBERS = r"^(?P<{}>\d{{1,2}})[-/.](?P<{}>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}})"
# The Republic of China, Taiwan, counts years from 1912 on.
_REPUBLIC = r"^(?:民國|民国)?\s*(?P<republic>\d{2,3})(?:[-/.]|年)(?P<month>\d{1,2})" + _MONTH_DAY
_REPUBLIC_COMPACT = r"^(?P<republic>\d{2,3})(?P<month>\d{2})(?P<day>\d{2})"
# Year 1, also written as 元, follows the year of the table.
_ERAS = {"s": 1925, "昭和": 1925, "h": 1988, "平成": 1988, "r": 2018, "令和": 2018}
_ERA = rf"^(?P<era>{'|'.join(_ERAS)})\s*(?P<era_year>\d{{1,2}}|元)(?:[-/.]|年)(?P<month>\d{{1,2}})"
_WEEKDAY = r"^(?:[^\W\d_]{2,10}[.,]*\s+(?=\S+\s+\S+\s+\S))?"
_DAY_NAME = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[-\s/.]*(?:de\s+)?(?P<name>[^\W\d_]{3,12})[.,]?"
_NAME_DAY = r"(?P<name>[^\W\d_]{3,12})[-\s/.]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?"
_YEAR_LAST = r"[-\s/.]+(?:de\s+)?(?P<year>\d{4}|\d{2})(?:\s*г\.?)?"  # noqa: RUF001  # Russian
# First letters of the names of months, in English, German, French, Spanish, Italian, Portuguese,
# Dutch, the languages of Scandinavia, Polish, Turkish and Russian.
_NAMES = (
    *(
        "jan ene gen sty oca янв",
        "feb fev lut sub фев",
        "mar mrz mrt maa мар",
        "apr abr avr kwi nis апр",
        "may mai mei mag maj май мая",
        "jun juin giu cze haz июн",
    ),
    *("jul juil lug lip tem июл", "aug ago aou sie agu авг", "sep set wrz eyl сен"),
    *("oct okt out ott paz eki окт", "nov lis kas ноя", "dec dez dic gru ara дек des"),
)
_MONTHS = {name: month for month, names in enumerate(_NAMES, 1) for name in names.split()}
_ISO = re.compile(r"^\d{4}-(?:\d{2}|W\d{2})-\d{1,2}(?:$|[ T]\d)")
# Years of two digits: 69 is 2069 in no file of bars, and 1969 is before the calendars.
_CENTURY = 70
_FIRST_OF_REPUBLIC = 1911
# Other names, such as CST, stand for several zones.
_ZONES = {
    **dict.fromkeys(("z", "utc", "gmt"), UTC),
    "est": timezone(timedelta(hours=-5)),
    "edt": timezone(timedelta(hours=-4)),
}


@dataclass(frozen=True)
class DateFormat:
    """One way to read the dates of a column.

    Attributes
    ----------
    name
        Description for the user; empty if the year is first, which no other format can match.
    parse
        Returns the time stamp of a cell, or None if the cell has another format.
    is_rare
        Whether the format counts only if the dates of all others are on days without a session.
    """

    name: str
    parse: Parse
    is_rare: bool = False


def written_formats() -> list[DateFormat]:
    """Return the formats of written dates, the usual ones first."""
    republic = "years of the Republic of China"
    compact = {
        "yymmdd": ("year", "month", "day"),
        "ddmmyy": ("day", "month", "year"),
        "mmddyy": ("month", "day", "year"),
    }
    return [
        DateFormat("", _parse_iso),
        DateFormat("", _by_pattern(_COMPACT + _TIME)),
        DateFormat("day/month/year", _by_pattern(_NUMBERS.format("day", "month") + _TIME)),
        DateFormat("month/day/year", _by_pattern(_NUMBERS.format("month", "day") + _TIME)),
        DateFormat("year/month/day", _by_pattern(_SHORT_YEAR_FIRST + _TIME)),
        DateFormat("names of months", _by_pattern(_WEEKDAY + _DAY_NAME + _YEAR_LAST + _TIME)),
        DateFormat("names of months", _by_pattern(_WEEKDAY + _NAME_DAY + _YEAR_LAST + _TIME)),
        DateFormat(republic, _by_pattern(_REPUBLIC + _TIME)),
        DateFormat(republic, _by_pattern(_REPUBLIC_COMPACT + "$")),
        DateFormat("years of Japanese eras", _by_pattern(_ERA + _MONTH_DAY + _TIME)),
        *(
            DateFormat(name, _by_pattern(_SHORT_COMPACT.format(*order) + "$"), is_rare=n > 0)
            for n, (name, order) in enumerate(compact.items())
        ),
    ]


def is_compact(text: str) -> bool:
    """Return whether a cell is a date such as 20240131."""
    return _parse_compact(text) is not None


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
        month = _month(part["name"]) if "name" in part else int(part["month"])
        with suppress(ValueError):
            day = date(_year(part), month, int(part["day"]))
            return datetime.combine(day, _time(part), _zone(part))
        return None

    return parse


_parse_year_first = _by_pattern(_YEAR_FIRST + _TIME)
_parse_compact = _by_pattern(_COMPACT + _TIME)


def _year(part: dict[str, str]) -> int:
    if "republic" in part:
        year = int(part["republic"]) + _FIRST_OF_REPUBLIC
        # A year of two digits before the calendars is no year of the Republic; 0 is refused.
        return year if year >= 1900 + _CENTURY else 0
    if "era" in part:
        return _ERAS[part["era"].lower()] + int(part["era_year"].replace("元", "1"))
    year = int(part["year"])
    if len(part["year"]) == 2:  # noqa: PLR2004  # digits
        year += 1900 if year >= _CENTURY else 2000
    return year


def _time(part: dict[str, str]) -> time:
    hour = int(part.get("hour") or 0)
    if part.get("half"):
        hour = hour % 12 + (12 if part["half"].lower().startswith("p") else 0)
    return time(hour, int(part.get("minute") or 0), int(part.get("second") or 0))


def _zone(part: dict[str, str]) -> timezone | None:
    if part.get("zone"):
        return _ZONES[part["zone"].lower()]
    if not part.get("sign"):
        return None
    offset = timedelta(hours=int(part["off_hour"]), minutes=int(part["off_minute"]))
    return timezone(-offset if part["sign"] == "-" else offset)


def _month(name: str) -> int:
    decomposed = unicodedata.normalize("NFKD", name.lower())
    # The short i of Russian would lose its mark, which tells it from another letter.
    letters = "".join(c for c in decomposed if not unicodedata.combining(c) or c == "\u0306")
    letters = unicodedata.normalize("NFC", letters)
    # 0 is no month, so that `date` refuses it.
    return next((n for start, n in _MONTHS.items() if letters.startswith(start)), 0)
