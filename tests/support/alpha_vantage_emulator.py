"""Alpha Vantage over real HTTP on loopback, with a clock, limits and moods that a test sets.

::

    clock = MovingClock(datetime(2012, 6, 1, 22, tzinfo=UTC))
    with AlphaVantageEmulator(sample_bars("AAPL", "MSFT"), clock) as alpha_vantage:
        settings = Settings(
            provider="alpha_vantage",
            alpha_vantage_key=FREE_KEY,
            alpha_vantage_url=alpha_vantage.url,
        )
        alpha_vantage.misbehave("status_503", times=2, symbol="AAPL")
        ...
        assert alpha_vantage.calls_by_day() == {date(2012, 6, 1): 4}

It answers bars up to the last session that is closed by its clock, with prices of four decimals.
Symbols are Alpha Vantage's own: give it bars of ``AZN.LON`` and ``BRK-B``, not ``AZN.L``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import polars as pl
from support import alpha_vantage_bodies as bodies
from support.alpha_vantage_limits import NEW_YORK, refusal_of
from support.alpha_vantage_moods import Mood, Reply, reply_of
from support.bars import xnys

from market.clock import Clock
from market.providers.base import ACTIONS_SCHEMA
from market.sessions import Sessions

FREE_KEY = "FREEKEY0123456789"
PREMIUM_KEY = "PREMIUMKEY9876543210"
_COMPACT = 100
# How long before its ex-date a split or dividend is announced.
_ANNOUNCED = timedelta(days=30)


@dataclass(frozen=True)
class Call:
    """One request; `outcome` is ``answered``, a limit or kind of refusal, or a mood."""

    function: str
    symbol: str
    at: datetime
    key: str
    outcome: str


@dataclass
class _Plan:
    mood: Mood
    times: int | None
    symbol: str | None
    function: str | None

    def meets(self, function: str, symbol: str) -> bool:
        return self.symbol in {None, symbol} and self.function in {None, function}


class AlphaVantageEmulator:
    """The service: enter it as a context, hand `url` to the client.

    Parameters
    ----------
    bars
        All bars there will ever be, bar contract; their events are its actions unless given.
    clock
        Tells which sessions are closed, and what counts against which limit.
    actions
        Splits and dividends (`ACTIONS_SCHEMA`); announced 30 days before.
    keys
        Which keys it accepts, with their tiers.
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
        keys: Mapping[str, str] | None = None,
        sessions_of: Callable[[str], Sessions] = lambda _: xnys(),
        slow_seconds: float = 2.0,
    ) -> None:
        self.clock = clock
        self.keys = dict(keys or {FREE_KEY: "free", PREMIUM_KEY: "premium_75"})
        self.slow_seconds = slow_seconds
        self.stopping = threading.Event()
        self._bars = {
            str(symbol): part.sort("session")
            for (symbol,), part in bars.partition_by("ticker", as_dict=True).items()
        }
        self._actions = _events_of(bars) if actions is None else actions
        self._sessions_of = sessions_of
        self._plans: list[_Plan] = []
        self._calls: list[Call] = []
        self._lock = threading.RLock()
        self._port = 0
        self._server: _Server | None = None

    def __enter__(self) -> Self:
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
        """Every request since the start, refused ones too, oldest first."""
        with self._lock:
            return list(self._calls)

    def calls_by_day(self) -> dict[date, int]:
        """How many requests came on each day of New York."""
        return dict(Counter(call.at.astimezone(NEW_YORK).date() for call in self.calls))

    def misbehave(
        self,
        mood: Mood,
        *,
        times: int | None = 1,
        symbol: str | None = None,
        function: str | None = None,
    ) -> None:
        """Answer the next requests (of a symbol, of a function) badly; for ever without `times`."""
        with self._lock:
            self._plans.append(_Plan(mood, times, symbol, function))

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
            chosen = pl.col("session") == session
            self._bars[symbol] = self._bars[symbol].with_columns(
                pl.when(chosen).then(pl.lit(value)).otherwise(name).cast(kind).alias(name)
                for name, value in values.items()
                for kind in [self._bars[symbol].schema[name]]
            )

    def act(
        self, symbol: str, session: date, *, split_factor: float = 1.0, dividend: float = 0.0
    ) -> None:
        """Add a split or dividend; bars are as traded, so they do not change."""
        row = pl.DataFrame(
            [(symbol, session, split_factor, dividend)], ACTIONS_SCHEMA, orient="row"
        )
        with self._lock:
            self._actions = pl.concat([self._actions, row])

    def reply(self, query: Mapping[str, str]) -> Reply:
        """Answer one request and enter it in the log."""
        function, symbol = query.get("function", ""), query.get("symbol", "").upper()
        key = query.get("apikey", "")
        with self._lock:
            mood = self._next_mood(function, symbol)
            mine = [call.at for call in self._calls if call.key == key]
            refused = refusal_of(self.keys.get(key), key, query, mine, now=self.clock.now())
            outcome, body = refused or ("answered", None)
            if body is None:
                body = self._answer(function, symbol, query)
                outcome = "ticker" if "Error Message" in body else outcome
            self._calls.append(Call(function, symbol, self.clock.now(), key, mood or outcome))
            other = next((name for name in self._bars if name != symbol), symbol)
            another = self._answer(function, other, query) if mood == "other_symbol" else body
        return reply_of(mood, another, function=function, key=key)

    def _next_mood(self, function: str, symbol: str) -> Mood | None:
        plan = next((plan for plan in self._plans if plan.meets(function, symbol)), None)
        if plan is None:
            return None
        if plan.times is not None:
            plan.times -= 1
            if plan.times <= 0:
                self._plans.remove(plan)
        return plan.mood

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


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    emulator: AlphaVantageEmulator

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        emulator = self.server.emulator
        reply = emulator.reply(dict(parse_qsl(urlsplit(self.path).query)))
        reply.send(self, slow_seconds=emulator.slow_seconds, stopping=emulator.stopping)

    def log_message(self, *_: object) -> None:
        """Tests read `calls` instead."""


def _events_of(bars: pl.DataFrame) -> pl.DataFrame:
    known = bars.select(
        "ticker",
        "session",
        pl.col("split_factor").fill_null(1.0),
        pl.col("dividend").fill_null(0.0),
    )
    return known.filter((pl.col("split_factor") != 1.0) | (pl.col("dividend") > 0))


def _unknown(function: str, symbol: str) -> dict[str, Any]:
    if function in {"SPLITS", "DIVIDENDS"}:
        return {"symbol": symbol, "data": []}
    if function == "GLOBAL_QUOTE":
        return {"Global Quote": {}}
    return bodies.invalid_call(function)
