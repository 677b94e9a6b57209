"""Processor time of each part of GET /predict/{ticker}, without the kernel.

Requests are fed to uvicorn's protocol over a transport without socket, in this process. Each app
adds one part to the one before it, and they take turns, so that noise affects all of them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.programs.hello import app as hello
from benchmarks.service.homes import small_home
from core.clock import SystemClock
from core.settings import load_settings
from registry.versions import ModelRegistry
from serving.app import build_app
from serving.asgi.fast_path import FastPath
from serving.asgi.request_timing import REQUEST_ID_HEADER, request_id, response_time
from serving.forecasts.precomputed import PrecomputedResponse
from serving.observability.metrics import Metrics
from serving.settings import ServingSettings
from serving.state import build_state

REQUEST = b"GET /predict/AAPL?horizon=1d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
DATE = (b"date", b"Wed, 25 Nov 2026 17:36:29 GMT")


class Transport(asyncio.Transport):
    """A transport that drops what it gets."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return the addresses of a connection over loopback."""
        return ("127.0.0.1", 1) if name in {"sockname", "peername"} else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop the bytes."""

    def is_closing(self) -> bool:
        """Return False: the connection stays open."""
        return False

    def resume_reading(self) -> None:
        """Do nothing."""


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    rounds, requests = (1, 200) if quick else (9, 10_000)
    with small_home() as home:
        fast_path, response = _service(home.path)
        parts: dict[str, ASGIApp] = {
            "uvicorn: parse, task, two messages": hello,
            "content of a forecast": _static(response, response.headers[:2]),
            "ETag and Cache-Control": _static(response, response.headers),
            "request id and time, as constants": _static(
                response,
                [*response.headers, (REQUEST_ID_HEADER, request_id(None)), response_time(1e-5)],
            ),
            "look up, admit, identify, count, log": fast_path,
        }
        times: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(rounds):
            for name, app in parts.items():
                times[name].append(uvloop.run(_seconds(app, requests)) * 1e6)
    before = 0.0
    for name, each in times.items():
        total = statistics.median(each)
        print(f"{name:38s} {total - before:+6.2f} us   {total:6.2f} us")
        before = total


def _service(home: Path) -> tuple[FastPath, PrecomputedResponse]:
    settings = load_settings(ServingSettings, home=home)
    clock = SystemClock()
    registry = ModelRegistry.from_settings(settings, clock=clock)
    rest = build_app()
    rest.state.service = state = build_state(settings, clock, registry, Metrics())
    state.refresher.refresh()
    return FastPath(Starlette(), rest), state.live.require().response("AAPL", 1)


def _static(response: PrecomputedResponse, headers: list[tuple[bytes, bytes]]) -> ASGIApp:
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    body = {"type": "http.response.body", "body": response.content}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    return app


async def _seconds(app: ASGIApp, requests: int) -> float:
    """Return the processor seconds of one request."""
    config = Config(app, lifespan="off", access_log=False, proxy_headers=False, log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [DATE]
    protocol = HttpToolsProtocol(config, state, {})
    protocol.connection_made(Transport())
    started = time.process_time()
    for _ in range(requests):
        protocol.data_received(REQUEST)
        while not protocol.cycle.response_complete:
            await asyncio.sleep(0)
    return (time.process_time() - started) / requests


if __name__ == "__main__":
    main()
