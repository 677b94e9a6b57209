"""Dates as numbers: days of Excel and of other programs, and epochs of any unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import log
from operator import itemgetter
from statistics import median

from market.providers.files.cells.date_formats import DateFormat, Parse

_EPOCH = re.compile(r"^-?\d{1,20}(?:\.\d*)?$")
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
# Counts of days: name, day 0 as a proleptic Gregorian ordinal, and the first year that is read.
# Only the two counts of Excel have common numbers: that of old Apple computers is four years later.
_DAY_COUNTS = (
    ("days of Excel", date(1899, 12, 30).toordinal(), 1970),
    ("days of Excel since 1904", date(1904, 1, 1).toordinal(), 1980),
    ("days since 1970", date(1970, 1, 1).toordinal(), 1980),
    ("days of Matlab", -366, 1970),
)
_RARE = "days of Excel since 1904"
_LAST_YEAR = {"days since 1970": 2034}
_DAY = 86_400
# A file of many time zones has several stamps per day.
_MAX_STEPS_PER_DAY = 300
_LAST_EPOCH = 4_102_444_800  # 2100
_FIRST_EPOCH = -2_208_988_800  # 1900


def number_formats(texts: Sequence[str]) -> list[DateFormat]:
    """Return the ways to read numbers: counts of days, or else epochs in the unit of daily bars."""
    values = [float(text) for text in texts if _EPOCH.match(text)]
    if not values:
        return []
    counts = [
        DateFormat(name, _from_days(day_0), is_rare=name == _RARE)
        for name, day_0, first in _DAY_COUNTS
        if date(first, 1, 1).toordinal() <= min(values) + day_0
        and max(values) + day_0 < date(_LAST_YEAR.get(name, 2099) + 1, 1, 1).toordinal()
    ]
    return counts or _epoch_formats(values)


def _epoch_formats(values: Sequence[float]) -> list[DateFormat]:
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


def _from_days(day_0: int) -> Parse:
    def parse(text: str) -> datetime | None:
        if not _EPOCH.match(text):
            return None
        return datetime.combine(date.fromordinal(int(float(text)) + day_0), time())

    return parse


def _from_epoch(per_second: int) -> Parse:
    def parse(text: str) -> datetime | None:
        if not _EPOCH.match(text):
            return None
        seconds = int(text.partition(".")[0]) // per_second
        with suppress(OverflowError):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return None

    return parse
