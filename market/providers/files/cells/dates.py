"""Parsing of dates and time stamps. The column as a whole decides on its format."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time
from statistics import median
from zoneinfo import ZoneInfo

import polars as pl

from core.errors import BarsError
from market.calendars.sessions import Sessions
from market.providers.files.cells.date_formats import DateFormat, is_compact, written_formats
from market.providers.files.cells.day_numbers import number_formats

# Some sources have rows on holidays. A wrong order of day and month puts two of seven on weekends.
_MAX_HOLIDAYS = 0.06
_YEARS = (1850, 2150)

Parsed = dict[DateFormat, dict[str, datetime]]


def choose_date_format(
    cells: pl.Series, sessions: Sessions, where: str, column: str
) -> tuple[str, dict[str, datetime]]:
    """Return the name of the format of a column, and the time stamp of each cell that has it.

    Parameters
    ----------
    cells
        Cells as text; missing cells are null.
    sessions
        Calendar that rules out formats with dates that are no sessions.
    where, column
        Names of the file and the column for errors.

    Raises
    ------
    BarsError
        If day and month can be read in both orders, or the years are those of another calendar.
    """
    texts = cells.drop_nulls().unique(maintain_order=True).to_list()
    parsed: Parsed = {}
    for form in _formats(texts):
        parsed[form] = {text: stamp for text in texts if (stamp := form.parse(text)) is not None}
        if not form.name and len(parsed[form]) == len(texts):
            break
    most = max(map(len, parsed.values()))
    best = [form for form, stamps in parsed.items() if len(stamps) == most]
    if len(best) > 1 and most:
        best = _without_other_days(best, parsed, sessions)
    _refuse_ambiguous(best, parsed, where, column)
    stamps = parsed[best[0]]
    _refuse_other_years(stamps, where, column)
    return best[0].name, stamps


def _formats(texts: Sequence[str]) -> list[DateFormat]:
    is_number = not all(map(is_compact, texts))
    return written_formats() + (number_formats(texts) if is_number else [])


def _without_other_days(
    best: Sequence[DateFormat], parsed: Parsed, sessions: Sessions
) -> list[DateFormat]:
    """Return the formats with dates that are in the calendar, except for a few holidays.

    Rare formats count only if no usual one is left.
    """
    wrong = {
        form: sum(not sessions.is_session(stamp.date()) for stamp in parsed[form].values())
        for form in best
    }
    n_holidays = _MAX_HOLIDAYS * len(parsed[best[0]])
    usual = [form for form in best if not form.is_rare and wrong[form] <= n_holidays]
    if usual:
        return usual
    limit = max(n_holidays, min(wrong.values()))
    return [form for form in best if wrong[form] <= limit]


def _refuse_ambiguous(best: Sequence[DateFormat], parsed: Parsed, where: str, column: str) -> None:
    if len({tuple(parsed[form].values()) for form in best}) > 1:
        first = next(iter(parsed[best[0]]))
        ways = " and as ".join(form.name for form in best)
        msg = (
            f"{where}, column {column!r}: dates such as {first!r} can be read as {ways}, and no "
            f"date decides it; write them as 2024-01-31."
        )
        raise BarsError(msg)


def _refuse_other_years(stamps: dict[str, datetime], where: str, column: str) -> None:
    if stamps and not _YEARS[0] <= (year := median(s.year for s in stamps.values())) <= _YEARS[1]:
        msg = (
            f"{where}, column {column!r}: dates such as {next(iter(stamps))!r} have the year "
            f"{year:.0f}, which is one of another calendar; write them as 2024-01-31."
        )
        raise BarsError(msg)


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
