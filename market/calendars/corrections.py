"""Corrections of single sessions, for errors in the published calendars.

A process has one set of corrections, so that ingest, targets and ages of forecasts agree on each
session. `market.settings` puts it into use; `market.calendars.published` applies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

_FORM = re.compile(r"^(?:(?P<exchange>[A-Z0-9/]+)\s*:)?\s*(?P<sign>[+-])(?P<date>\d{4}-\d\d-\d\d)$")


@dataclass(frozen=True)
class Correction:
    """A date that one calendar has wrong.

    Attributes
    ----------
    exchange
        MIC of the calendar.
    is_open
        Whether the date is a session.
    """

    exchange: str
    session: date
    is_open: bool

    def __str__(self) -> str:
        return f"{self.exchange}:{'+' if self.is_open else '-'}{self.session}"


def parse_corrections(texts: Iterable[str]) -> tuple[Correction, ...]:
    """Return the corrections in texts such as ``XHKG:-2023-09-01``.

    ``+`` adds a session and ``-`` removes one. A text without an exchange has that of the text
    before it.

    Raises
    ------
    ValueError
        If a text has another form, or two texts contradict each other.

    Examples
    --------
    >>> [str(correction) for correction in parse_corrections(["XBOM:+2024-03-02", "-2024-11-20"])]
    ['XBOM:+2024-03-02', 'XBOM:-2024-11-20']
    """
    corrections: dict[tuple[str, date], Correction] = {}
    exchange = None
    for text in texts:
        match = _FORM.match(text.strip())
        exchange = (match and match["exchange"]) or exchange
        try:
            session = date.fromisoformat(match["date"]) if match else None
        except ValueError:
            session = None
        if match is None or exchange is None or session is None:
            msg = f"each correction must be MIC:+YYYY-MM-DD or MIC:-YYYY-MM-DD, got {text!r}"
            raise ValueError(msg)
        correction = Correction(exchange, session, is_open=match["sign"] == "+")
        if corrections.setdefault((exchange, session), correction) != correction:
            msg = f"{exchange} is both opened and closed on {session}; keep one of them"
            raise ValueError(msg)
    return tuple(corrections.values())


_in_use: list[Correction] = []


def use_corrections(corrections: Iterable[Correction]) -> None:
    """Apply `corrections` to all calendars of this process, instead of the earlier ones.

    Examples
    --------
    >>> use_corrections(parse_corrections(["XHKG:-2023-09-01"]))
    >>> str(*corrections_in_use())
    'XHKG:-2023-09-01'
    >>> use_corrections([])
    """
    _in_use[:] = corrections


def corrections_in_use() -> tuple[Correction, ...]:
    """Return the corrections that apply to the calendars of this process.

    Examples
    --------
    >>> corrections_in_use()
    ()
    """
    return tuple(_in_use)
