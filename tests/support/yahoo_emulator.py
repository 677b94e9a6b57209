"""Yahoo Finance over real HTTP on loopback, with a clock and moods that a test sets.

::

    clock = MovingClock(datetime(2013, 3, 1, 22, tzinfo=UTC))
    with YahooEmulator(sample_bars("AAPL", "MSFT"), clock, actions=SAMPLE_SPLITS) as yahoo:
        provider = connect(yahoo, tmp_path)
        yahoo.misbehave("status_503", times=2, symbol="AAPL")
        ...
        assert len(yahoo.charts("AAPL")) == 3

It is given bars as traded and serves them as Yahoo does: adjusted for the splits that have happened
by its clock, and while a session goes on with a bar of what was traded so far. Symbols are Yahoo's
own (``BRK-B``). All hosts of Yahoo are the one it listens on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl
from support import yahoo_bodies as bodies
from support.bars import xnys
from support.yahoo_moods import Mood, Reply, reply_of
from yfinance.data import SingletonMeta

from market.clock import Clock
from market.providers.base import ACTIONS_SCHEMA
from market.providers.yahoo import YahooProvider
from market.quota import QuotaLedger
from market.sessions import Sessions

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


@dataclass
class _Plan:
    mood: Mood
    times: int | None
    symbol: str | None
    kind: str


class YahooEmulator:
    """The service: enter it as a context, hand `url` to the provider.

    Parameters
    ----------
    bars
        All bars there will ever be, as traded.
    clock
        Tells what has been traded and which splits have happened.
    actions
        Splits and dividends (`ACTIONS_SCHEMA`); by default those of the bars.
    delay
        How late prices are told.
    sessions_of
        The exchange calendar of each symbol.
    slow_seconds
        Real seconds that a slow answer takes.
    """

    def __init__(
        self,
        bars: pl.DataFrame,
        clock: Clock,
        *,
        actions: pl.DataFrame | None = None,
        delay: timedelta = timedelta(0),
        sessions_of: Callable[[str], Sessions] = lambda _: xnys(),
        slow_seconds: float = 2.0,
    ) -> None:
        self.clock = clock
        self.delay = delay
        self.slow_seconds = slow_seconds
        self.stopping = threading.Event()
        self._bars = {
            str(symbol): part.sort("session")
            for (symbol,), part in bars.partition_by("ticker", as_dict=True).items()
        }
        self._actions = bodies.events_of(bars) if actions is None else actions
        self._sessions_of = sessions_of
        self._plans: list[_Plan] = []
        self._calls: list[Call] = []
        self._lock = threading.RLock()
        self._port = 0
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        # yfinance has one cookie and crumb for all of a process.
        SingletonMeta._instances.clear()
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def calls(self) -> list[Call]:
        """Every request since the start, oldest first."""
        with self._lock:
            return list(self._calls)

    def charts(self, symbol: str | None = None) -> list[Call]:
        """The requests for prices alone (of one symbol)."""
        return [c for c in self.calls if c.kind == "chart" and symbol in {None, c.symbol}]

    def misbehave(
        self, mood: Mood, *, times: int | None = 1, symbol: str | None = None, kind: str = "chart"
    ) -> None:
        """Answer the next requests (of a symbol) badly; for ever without `times`."""
        with self._lock:
            self._plans.append(_Plan(mood, times, symbol, kind))

    def behave(self) -> None:
        """Forget all bad moods."""
        with self._lock:
            self._plans.clear()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Refuse connections for the length of the block."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def correct(self, symbol: str, session: date, **values: float) -> None:
        """Change values of one bar from now on: ``correct("AAPL", session, close=12.5)``."""
        with self._lock:
            bars, chosen = self._bars[symbol], pl.col("session") == session
            self._bars[symbol] = bars.with_columns(
                pl.when(chosen)
                .then(pl.lit(value))
                .otherwise(name)
                .cast(bars.schema[name])
                .alias(name)
                for name, value in values.items()
            )

    def act(
        self, symbol: str, session: date, *, split_factor: float = 1.0, dividend: float = 0.0
    ) -> None:
        """Add a split or dividend; bars are as traded, so they do not change."""
        row = [(symbol, session, split_factor, dividend)]
        with self._lock:
            self._actions = pl.concat(
                [self._actions, pl.DataFrame(row, ACTIONS_SCHEMA, orient="row")]
            )

    def reply(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request and enter it in the log."""
        is_chart = path.startswith(CHART)
        kind = "chart" if is_chart else _KINDS.get(path, path)
        symbol = path.removeprefix(CHART).upper() if is_chart else ""
        with self._lock:
            mood = self._next_mood(kind, symbol)
            known = symbol if mood != "other_symbol" else next(s for s in self._bars if s != symbol)
            body = self._chart(known, query) if is_chart else {}
            outcome = mood or ("unknown" if body is None else "answered")
            self._calls.append(Call(kind, symbol, self.clock.now(), outcome, query))
        if mood is None and kind == "search":
            near = get_close_matches(query.get("q", ""), sorted(self._bars), n=3, cutoff=0.5)
            return Reply(json.dumps(bodies.found(near)))
        if mood is None and not is_chart:
            return Reply(CRUMB if kind == "crumb" else "", 404 if kind == "cookie" else 200)
        return reply_of(mood if body is not None else mood or "not_found", body or {})

    def _chart(self, symbol: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        if symbol not in self._bars:
            return None
        sessions, now = self._sessions_of(symbol), self.clock.now()
        seen = now - self.delay
        actions = self._actions.filter(pl.col("ticker") == symbol)
        actions = actions.filter(pl.col("session") <= bodies.local_date(seen, sessions))
        bars = bodies.traded(self._bars[symbol], sessions, seen)
        bars, actions = bodies.adjusted(bars, actions)
        told = bodies.about(symbol, bars, sessions, now=now, seen=seen)
        # Up to when is not looked at: yfinance asks up to the real present.
        first = bars["session"][-1]
        if "period1" in query:
            first = datetime.fromtimestamp(int(query["period1"]), UTC).date()
        since = pl.col("session") >= first
        return bodies.chart(bars.filter(since), actions.filter(since), told, sessions.timezone)

    def _next_mood(self, kind: str, symbol: str) -> Mood | None:
        for plan in self._plans:
            if plan.kind == kind and plan.symbol in {None, symbol}:
                if plan.times is not None:
                    plan.times -= 1
                    if plan.times <= 0:
                        self._plans.remove(plan)
                return plan.mood
        return None

    def _open(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.emulator = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def connect(yahoo: YahooEmulator, home: Path, *, timeout: float = 5.0) -> YahooProvider:
    """A provider that asks the emulator, on its clock, with the ledger of a home."""
    ledger = QuotaLedger(home / "market.sqlite", yahoo.clock)
    return YahooProvider(url=yahoo.url, timeout=timeout, ledger=ledger, clock=yahoo.clock)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    emulator: YahooEmulator

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        emulator, parts = self.server.emulator, urlsplit(self.path)
        reply = emulator.reply(unquote(parts.path), dict(parse_qsl(parts.query)))
        reply.send(self, slow_seconds=emulator.slow_seconds, stopping=emulator.stopping)

    def log_message(self, *_: object) -> None:
        """Tests read `calls` instead."""
