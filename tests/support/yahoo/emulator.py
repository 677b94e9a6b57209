"""Yahoo Finance over real HTTP on loopback, with a clock and faults that a test sets.

::

    clock = MovingClock(datetime(2013, 3, 1, 22, tzinfo=UTC))
    with YahooEmulator(sample_bars("AAPL", "MSFT"), clock, actions=SAMPLE_SPLITS) as yahoo:
        provider = connect(yahoo, tmp_path)
        yahoo.inject_fault("status_503", times=2, symbol="AAPL")
        ...
        assert len(yahoo.charts("AAPL")) == 3

The emulator takes bars as traded and adjusts them for all splits up to its clock, as Yahoo does.
During a session it serves an incomplete bar. Symbols are those of Yahoo (``BRK-B``). The emulator
replaces all hosts of Yahoo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import polars as pl
from support.providers.emulated_provider import EmulatedProvider, Options
from support.providers.emulated_replies import Reply
from support.yahoo import bodies
from support.yahoo.faults import Fault, reply_of
from yfinance.data import SingletonMeta

from core.clock import Clock
from market.providers.protocol import ACTIONS_SCHEMA
from market.providers.yahoo.provider import YahooProvider
from market.quota.ledger import QuotaLedger

CHART = "/v8/finance/chart/"
CRUMB = "aZ.3/crumb"
_KINDS = {"/": "cookie", "": "cookie", "/v1/test/getcrumb": "crumb", "/v1/finance/search": "search"}
SAMPLE_SPLITS = pl.DataFrame(
    [
        ("AAPL", date(2000, 6, 21), 2.0, 0.0),
        ("AAPL", date(2005, 2, 28), 2.0, 0.0),
        ("MSFT", date(2003, 2, 18), 2.0, 0.0),
    ],
    ACTIONS_SCHEMA,
    orient="row",
)


@dataclass(frozen=True)
class Call:
    """One request; `kind` is ``chart``, ``cookie``, ``crumb``, ``search`` or a path."""

    kind: str
    symbol: str
    at: datetime
    outcome: str
    query: Mapping[str, str]


class YahooEmulator(EmulatedProvider[Call, Fault]):
    """HTTP service; use it as a context manager and pass `url` to the provider.

    Parameters
    ----------
    bars
        All bars as traded, later ones included.
    clock
        Determines which bars and splits are served.
    delay
        Delay of the served prices.
    options
        See `Options`.
    """

    headers: ClassVar = {"Set-Cookie": "A3=d=AQABBJ; Path=/; Max-Age=31557600"}

    def __init__(
        self,
        bars: pl.DataFrame,
        clock: Clock,
        *,
        delay: timedelta = timedelta(0),
        **options: Unpack[Options],
    ) -> None:
        super().__init__(bars, clock, **options)
        self.delay = delay

    def __enter__(self) -> Self:
        # yfinance has one cookie and crumb for all of a process.
        SingletonMeta._instances.clear()
        return super().__enter__()

    def charts(self, symbol: str | None = None) -> list[Call]:
        """Requests for prices, optionally of one symbol."""
        return [c for c in self.calls if c.kind == "chart" and symbol in {None, c.symbol}]

    def inject_fault(
        self, fault: Fault, *, times: int | None = 1, symbol: str | None = None, kind: str = "chart"
    ) -> None:
        """Apply a fault to the next `times` requests, or to all if `times` is None."""
        self._plan(fault, times, symbol, kind)

    def reply(self, path: str, query: Mapping[str, str]) -> Reply:
        is_chart = path.startswith(CHART)
        kind = "chart" if is_chart else _KINDS.get(path, path)
        symbol = path.removeprefix(CHART).upper() if is_chart else ""
        with self._lock:
            fault = self._next_fault(kind, symbol)
            served = (
                symbol if fault != "other_symbol" else next(s for s in self._bars if s != symbol)
            )
            body = self._chart(served, query) if is_chart else {}
            outcome = fault or ("unknown" if body is None else "served")
            self._calls.append(Call(kind, symbol, self.clock.now(), outcome, query))
        if fault is None and kind == "search":
            similar = get_close_matches(query.get("q", ""), sorted(self._bars), n=3, cutoff=0.5)
            return Reply(json.dumps(bodies.search_results(similar)))
        if fault is None and not is_chart:
            return Reply(CRUMB if kind == "crumb" else "", 404 if kind == "cookie" else 200)
        return reply_of(fault if body is not None else fault or "not_found", body or {})

    def _chart(self, symbol: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if symbol not in self._bars:
            return None
        sessions, now = self._sessions_of(symbol), self.clock.now()
        seen = now - self.delay
        actions = self._actions.filter(pl.col("ticker") == symbol)
        actions = actions.filter(pl.col("session") <= bodies.local_date(seen, sessions))
        bars = bodies.traded(self._bars[symbol], sessions, seen)
        bars, actions = bodies.adjusted(bars, actions)
        metadata = bodies.metadata(symbol, bars, sessions, now=now, seen=seen)
        # The end of the period is ignored: yfinance requests data up to the system time.
        first = bars["session"][-1]
        if "period1" in query:
            first = datetime.fromtimestamp(int(query["period1"]), UTC).date()
        since = pl.col("session") >= first
        return bodies.chart(bars.filter(since), actions.filter(since), metadata, sessions.timezone)


def connect(yahoo: YahooEmulator, home: Path, *, timeout: float = 5.0) -> YahooProvider:
    """Return a provider for the emulator with its clock and the ledger of a home."""
    ledger = QuotaLedger(home / "market.sqlite", yahoo.clock)
    return YahooProvider(url=yahoo.url, timeout=timeout, ledger=ledger, clock=yahoo.clock)
