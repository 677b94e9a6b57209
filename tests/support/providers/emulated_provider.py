"""Base class of emulated providers: an HTTP server, a list of requests, faults, and bars."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Generic, Self, TypedDict, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl
from support.market.bars import xnys
from support.providers.emulated_replies import Reply

from core.clock import Clock
from market.calendars.sessions import Sessions
from market.providers.protocol import ACTIONS_SCHEMA

CallT = TypeVar("CallT")
FaultT = TypeVar("FaultT", bound=str)


class Options(TypedDict, total=False):
    """Options of all emulated providers.

    Attributes
    ----------
    actions
        Splits and dividends (`ACTIONS_SCHEMA`); those of the bars by default.
    sessions_of
        Returns the calendar of a symbol; XNYS by default.
    slow_seconds
        Duration of a slow response in real seconds; 2 by default.
    """

    actions: pl.DataFrame | None
    sessions_of: Callable[[str], Sessions]
    slow_seconds: float


@dataclass
class _Plan(Generic[FaultT]):
    fault: FaultT
    times: int | None
    symbol: str | None
    kind: str | None

    def matches(self, kind: str, symbol: str) -> bool:
        return self.symbol in {None, symbol} and self.kind in {None, kind}


class EmulatedProvider(ABC, Generic[CallT, FaultT]):
    """HTTP service on loopback. Its `url` stays the same after it was closed and reopened."""

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        bars: pl.DataFrame,
        clock: Clock,
        *,
        actions: pl.DataFrame | None = None,
        sessions_of: Callable[[str], Sessions] = lambda _: xnys(),
        slow_seconds: float = 2.0,
    ) -> None:
        self.clock = clock
        self.slow_seconds = slow_seconds
        self.stopping = threading.Event()
        self._bars = {
            str(symbol): part.sort("session")
            for (symbol,), part in bars.partition_by("ticker", as_dict=True).items()
        }
        self._actions = _events_of(bars) if actions is None else actions
        self._sessions_of = sessions_of
        self._plans: list[_Plan[FaultT]] = []
        self._calls: list[CallT] = []
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
    def calls(self) -> list[CallT]:
        """All requests since the start, including refused ones, oldest first."""
        with self._lock:
            return list(self._calls)

    def behave(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._plans.clear()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Refuse connections inside the context."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def correct(self, symbol: str, session: date, **values: float) -> None:
        """Change values of one bar, as in ``correct("AAPL", session, close=12.5)``."""
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
        """Add a split or a dividend. Bars are as traded, so they do not change."""
        row = [(symbol, session, split_factor, dividend)]
        with self._lock:
            self._actions = pl.concat(
                [self._actions, pl.DataFrame(row, ACTIONS_SCHEMA, orient="row")]
            )

    @abstractmethod
    def reply(self, path: str, query: Mapping[str, str]) -> Reply:
        """Record one request and return its response."""

    def _plan(self, fault: FaultT, times: int | None, symbol: str | None, kind: str | None) -> None:
        with self._lock:
            self._plans.append(_Plan(fault, times, symbol, kind))

    def _next_fault(self, kind: str, symbol: str) -> FaultT | None:
        plan = next((plan for plan in self._plans if plan.matches(kind, symbol)), None)
        if plan is None:
            return None
        if plan.times is not None:
            plan.times -= 1
            if plan.times <= 0:
                self._plans.remove(plan)
        return plan.fault

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
    emulator: EmulatedProvider

    def handle_error(self, *_: object) -> None:
        """Ignore clients that closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        emulator, parts = self.server.emulator, urlsplit(self.path)
        reply = emulator.reply(unquote(parts.path), dict(parse_qsl(parts.query)))
        reply.send(
            self,
            emulator.headers,
            slow_seconds=emulator.slow_seconds,
            stopping=emulator.stopping,
        )

    def log_message(self, *_: object) -> None:
        """Print nothing: tests read `calls`."""


def _events_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Splits and dividends of the bars."""
    actions = bars.select(
        "ticker",
        "session",
        pl.col("split_factor").fill_null(1.0),
        pl.col("dividend").fill_null(0.0),
    )
    return actions.filter((pl.col("split_factor") != 1.0) | (pl.col("dividend") > 0))
