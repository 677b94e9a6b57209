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

The emulator serves bars up to the last closed session by its clock, with four decimals. Symbols are
those of Alpha Vantage: ``AZN.LON`` and ``BRK-B``, not ``AZN.L``.
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
# Splits and dividends are listed this long before their ex-date.
_ANNOUNCED = timedelta(days=30)


@dataclass(frozen=True)
class Call:
    """One request; `outcome` is ``served``, a limit or kind of refusal, or a fault."""

    function: str
    symbol: str
    at: datetime
    key: str
    outcome: str


class AlphaVantageEmulator(EmulatedProvider[Call, Fault]):
    """HTTP service; use it as a context manager and pass `url` to the client.

    Parameters
    ----------
    bars
        All bars with the schema of the bar contract, later ones included. Their splits and
        dividends are served unless `actions` are given.
    clock
        Determines which sessions are closed, and which requests count towards a limit.
    keys
        Accepted keys and their tiers.
    options
        See `Options`. Actions are listed 30 days before their ex-date.
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
        """Number of requests per date in New York."""
        return dict(Counter(call.at.astimezone(NEW_YORK).date() for call in self.calls))

    def inject_fault(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        symbol: str | None = None,
        function: str | None = None,
    ) -> None:
        """Apply a fault to the next `times` matching requests, or to all if `times` is None."""
        self._plan(fault, times, symbol, function)

    def reply(self, path: str, query: Mapping[str, str]) -> Reply:  # noqa: ARG002  # there is one path
        function, symbol = query.get("function", ""), query.get("symbol", "").upper()
        key = query.get("apikey", "")
        with self._lock:
            fault = self._next_fault(function, symbol)
            made = [call.at for call in self._calls if call.key == key]
            refusal = refusal_of(self.keys.get(key), key, query, made, now=self.clock.now())
            outcome, body = refusal or ("served", None)
            if body is None:
                body = self._response(function, symbol, query)
                outcome = "ticker" if "Error Message" in body else outcome
            self._calls.append(Call(function, symbol, self.clock.now(), key, fault or outcome))
            other = next((name for name in self._bars if name != symbol), symbol)
            served = self._response(function, other, query) if fault == "other_symbol" else body
        return reply_of(fault, served, function=function, key=key)

    def _response(self, function: str, symbol: str, query: Mapping[str, str]) -> dict[str, Any]:
        if function == "SYMBOL_SEARCH":
            words = query.get("keywords", "").upper()
            similar = get_close_matches(words, sorted(self._bars), n=5, cutoff=0.5)
            return bodies.best_matches(similar)
        if symbol not in self._bars:
            return _unknown(function, symbol)
        bars, actions = self._published_bars(symbol), self._published_actions(symbol)
        full = query.get("outputsize") == "full"
        part = bars if full else bars.tail(_COMPACT)
        responses: dict[str, Callable[[], dict[str, Any]]] = {
            "TIME_SERIES_DAILY": lambda: bodies.daily(symbol, part, full=full),
            "TIME_SERIES_DAILY_ADJUSTED": lambda: bodies.daily_adjusted(
                symbol, part, actions, full=full
            ),
            "SPLITS": lambda: bodies.splits(symbol, actions),
            "DIVIDENDS": lambda: bodies.dividends(symbol, actions),
            "GLOBAL_QUOTE": lambda: bodies.global_quote(symbol, bars),
        }
        return responses.get(function, lambda: bodies.invalid_call(function))()

    def _published_bars(self, symbol: str) -> pl.DataFrame:
        last = self._sessions_of(symbol).last_closed(self.clock.now())
        return self._bars[symbol].filter(pl.col("session") <= last)

    def _published_actions(self, symbol: str) -> pl.DataFrame:
        until = self.clock.now().astimezone(NEW_YORK).date() + _ANNOUNCED
        return self._actions.filter(pl.col("ticker") == symbol, pl.col("session") <= until)


def _unknown(function: str, symbol: str) -> dict[str, Any]:
    if function in {"SPLITS", "DIVIDENDS"}:
        return {"symbol": symbol, "data": []}
    if function == "GLOBAL_QUOTE":
        return {"Global Quote": {}}
    return bodies.invalid_call(function)
