"""The sessions of a ticker: those of its exchange, which its suffix, its bars or the user name.

`market.calendars.sessions` has the calendars, `market.calendars.suffixes` the suffixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol, Self

import polars as pl

from core.isolation import find_faulty
from market.calendars.choices import ExchangeChoices
from market.calendars.sessions import UPGRADE, Sessions
from market.calendars.suffixes import exchange_of

# Users need time to install a newer calendar before its end.
WARNING_DAYS = 60
_MAX_LISTED = 8
# The SQLite file of a home with its tickers.
DATABASE = "market.sqlite"
# A suffix is wrong if so many bars are on days on which its exchange is closed.
_MIN_OFF_CALENDAR = 3


class HomeSettings(Protocol):
    """The settings that `SessionsByTicker.of_home` needs."""

    @property
    def exchange(self) -> str:
        """MIC for tickers without an exchange suffix."""
        ...

    @property
    def home(self) -> Path:
        """Folder of the SQLite file."""
        ...


class SessionsByTicker:
    """Callable that returns the sessions of a ticker's exchange.

    A suffix may also be a share class: `MKC.V` is listed in New York. `confirm` compares the bars
    with the calendar of the suffix, and records the exchange that they follow.

    Parameters
    ----------
    default
        MIC for tickers without an exchange suffix.
    choices
        Exchanges of single tickers, which take precedence over their suffixes.

    Raises
    ------
    SettingsError
        If `default` is not a known calendar.

    Examples
    --------
    >>> from datetime import date
    >>> sessions_of = SessionsByTicker("XNYS")
    >>> sessions_of("AAPL").is_session(date(2024, 5, 27))  # Memorial Day in New York
    False
    >>> sessions_of("SAP.DE").is_session(date(2024, 5, 27))
    True
    """

    def __init__(self, default: str = "XNYS", choices: ExchangeChoices | None = None) -> None:
        self.default = _sessions(default).exchange
        self._choices = choices

    @classmethod
    def of_home(cls, settings: HomeSettings) -> Self:
        """Return the sessions by ticker of a home, with the exchanges that were recorded there."""
        return cls(settings.exchange, ExchangeChoices(settings.home / DATABASE))

    def __call__(self, ticker: str) -> Sessions:
        """Return the sessions of the exchange of `ticker`; one object is shared per exchange."""
        chosen = None if self._choices is None else self._choices.get(ticker)
        return _sessions(chosen or exchange_of(ticker, self.default))

    def of_bars(self, ticker: str, sessions: pl.Series) -> Sessions:
        """Return the sessions of the exchange that the bars of `ticker` follow.

        This is the exchange of the suffix, except if bars are on days on which it is closed, and
        the calendar of `default` has them.

        Parameters
        ----------
        sessions
            Dates of all bars of the ticker.
        """
        if self._choices is not None and self._choices.is_named(ticker):
            return self(ticker)
        named, default = _sessions(exchange_of(ticker, self.default)), _sessions(self.default)
        n_off = _count_off(sessions, named)
        if n_off < _MIN_OFF_CALENDAR or 4 * _count_off(sessions, default) > n_off:
            return named
        return default

    def confirm(self, ticker: str, sessions: pl.Series) -> str | None:
        """Record the exchange of `of_bars`; return a note if it is not that of the suffix."""
        observed = self.of_bars(ticker, sessions)
        named = exchange_of(ticker, self.default)
        is_other = observed.exchange != named
        if self._choices is None or self._choices.is_named(ticker):
            return None
        self._choices.observe(ticker, observed.exchange if is_other else None)
        if not is_other:
            return None
        return (
            f"{ticker}: {_count_off(sessions, _sessions(named))} of its {sessions.n_unique()} "
            f"sessions are not in the calendar of {named}, which its suffix names; they follow "
            f"{observed.exchange}, which is used. To choose another exchange, write "
            f"`{ticker},{named}` into the file of STOCKCAST_UNIVERSE."
        )


def _count_off(dates: pl.Series, sessions: Sessions) -> int:
    """Return the number of dates on which the exchange is closed."""
    inside = dates.drop_nulls().unique()
    inside = inside.filter(inside.is_between(sessions.first, sessions.last))
    is_session = inside.is_in(sessions.between(sessions.first, sessions.last).implode())
    return inside.filter(~is_session).len()


@cache
def _sessions(exchange: str) -> Sessions:
    return Sessions(exchange)


def warn_of_ending_calendars(
    tickers: Iterable[str], sessions_of: Callable[[str], Sessions], now: datetime
) -> list[str]:
    """Return one warning per calendar that ends within `WARNING_DAYS` of `now`, or has ended.

    A forecast needs the calendar up to its target session, so the forecasts of these tickers stop
    before the calendar ends. The warning names the exchange, its tickers and the remedy.

    Examples
    --------
    >>> now = datetime(2024, 7, 5, tzinfo=UTC)
    >>> warn_of_ending_calendars(["AAPL", "600519.SS"], SessionsByTicker("XNYS"), now)
    []
    """
    by_exchange: dict[str, list[str]] = {}

    def add(ticker: str) -> None:
        by_exchange.setdefault(sessions_of(ticker).exchange, []).append(ticker)

    find_faulty(tickers, add)  # the ingest names a ticker without a calendar
    warnings = []
    for exchange, followed in sorted(by_exchange.items()):
        end = _sessions(exchange).published_until
        if end is None or (days := (end - now.astimezone(UTC).date()).days) > WARNING_DAYS:
            continue
        when = f"ends on {end}, in {days} days" if days >= 0 else f"ended on {end}"
        listed = ", ".join(followed[:_MAX_LISTED])
        listed += f" and {len(followed) - _MAX_LISTED:,} more" if followed[_MAX_LISTED:] else ""
        warnings.append(
            f"The calendar of {exchange} {when}. Tickers with a later target session get no "
            f"forecast: {listed}. To prevent this, {UPGRADE}."
        )
    return warnings
