"""Alpha Vantage over real HTTP on loopback, with a clock, limits and faults that a test sets.

::

    clock = MovingClock(datetime(2012, 6, 1, 22, tzinfo=UTC))
    with AlphaVantageEmulator(sample_bars("AAPL", "MSFT"), clock) as alpha_vantage:
        settings = MarketSettings(
            provider="alpha_vantage",
            alpha_vantage_key=FREE_KEY,
            alpha_vantage_url=alpha_vantage.url,
        )
        alpha_vantage.inject_fault("status_503", times=2, symbol="AAPL")
        ...
        assert alpha_vantage.calls_by_day() == {date(2012, 6, 1): 4}

It answers bars up to the last session that is closed by its clock, with prices of four decimals.
Symbols are Alpha Vantage's own: give it bars of ``AZN.LON`` and ``BRK-B``, not ``AZN.L``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Unpack

import polars as pl
from support.alpha_vantage import bodies
from support.alpha_vantage.faults import Fault, reply_of
from support.alpha_vantage.limits import NEW_YORK, refusal_of
from support.providers.emulated_provider import EmulatedProvider, Options
from support.providers.emulated_replies import Reply

from core.clock import Clock

FREE_KEY = "FREEKEY0123456789"
PREMIUM_KEY = "PREMIUMKEY9876543210"
_COMPACT = 100
# How long before its ex-date a split or dividend is announced.
_ANNOUNCED = timedelta(days=30)


@dataclass(frozen=True)
class Call:
    """One request; `outcome` is ``answered``, a limit or kind of refusal, or a fault."""

    function: str
    symbol: str
    at: datetime
    key: str
    outcome: str


class AlphaVantageEmulator(EmulatedProvider[Call, Fault]):
    """The service: enter it as a context, hand `url` to the client.

    Parameters
    ----------
    bars
        All bars there will ever be, bar contract; their events are its actions unless given.
    clock
        Tells which sessions are closed, and what counts against which limit.
    keys
        Which keys it accepts, with their tiers.
    options
        What `Options` tells; actions are announced 30 days before.
    """

    def __init__(
        self,
        bars: pl.DataFrame,
        clock: Clock,
        *,
        keys: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(bars, clock, **options)
        self.keys = dict(keys or {FREE_KEY: "free", PREMIUM_KEY: "premium_75"})

    def calls_by_day(self) -> dict[date, int]:
        """How many requests came on each day of New York."""
        return dict(Counter(call.at.astimezone(NEW_YORK).date() for call in self.calls))

    def inject_fault(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        symbol: str | None = None,
        function: str | None = None,
    ) -> None:
        """Answer the next requests (of a symbol, of a function) badly; for ever without `times`."""
        self._plan(fault, times, symbol, function)

    def reply(self, path: str, query: Mapping[str, str]) -> Reply:  # noqa: ARG002  # it has one path
        function, symbol = query.get("function", ""), query.get("symbol", "").upper()
        key = query.get("apikey", "")
        with self._lock:
            fault = self._next_fault(function, symbol)
            mine = [call.at for call in self._calls if call.key == key]
            refused = refusal_of(self.keys.get(key), key, query, mine, now=self.clock.now())
            outcome, body = refused or ("answered", None)
            if body is None:
                body = self._answer(function, symbol, query)
                outcome = "ticker" if "Error Message" in body else outcome
            self._calls.append(Call(function, symbol, self.clock.now(), key, fault or outcome))
            other = next((name for name in self._bars if name != symbol), symbol)
            another = self._answer(function, other, query) if fault == "other_symbol" else body
        return reply_of(fault, another, function=function, key=key)

    def _answer(self, function: str, symbol: str, query: Mapping[str, str]) -> dict[str, Any]:
        if function == "SYMBOL_SEARCH":
            words = query.get("keywords", "").upper()
            near = get_close_matches(words, sorted(self._bars), n=5, cutoff=0.5)
            return bodies.best_matches(near)
        if symbol not in self._bars:
            return _unknown(function, symbol)
        bars, actions = self._known_bars(symbol), self._known_actions(symbol)
        full = query.get("outputsize") == "full"
        part = bars if full else bars.tail(_COMPACT)
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "TIME_SERIES_DAILY": lambda: bodies.daily(symbol, part, full=full),
            "TIME_SERIES_DAILY_ADJUSTED": lambda: bodies.daily_adjusted(
                symbol, part, actions, full=full
            ),
            "SPLITS": lambda: bodies.splits(symbol, actions),
            "DIVIDENDS": lambda: bodies.dividends(symbol, actions),
            "GLOBAL_QUOTE": lambda: bodies.global_quote(symbol, bars),
        }
        return answers.get(function, lambda: bodies.invalid_call(function))()

    def _known_bars(self, symbol: str) -> pl.DataFrame:
        last = self._sessions_of(symbol).last_closed(self.clock.now())
        return self._bars[symbol].filter(pl.col("session") <= last)

    def _known_actions(self, symbol: str) -> pl.DataFrame:
        until = self.clock.now().astimezone(NEW_YORK).date() + _ANNOUNCED
        return self._actions.filter(pl.col("ticker") == symbol, pl.col("session") <= until)


def _unknown(function: str, symbol: str) -> dict[str, Any]:
    if function in {"SPLITS", "DIVIDENDS"}:
        return {"symbol": symbol, "data": []}
    if function == "GLOBAL_QUOTE":
        return {"Global Quote": {}}
    return bodies.invalid_call(function)
