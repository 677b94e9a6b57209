"""What each request leaves behind: a measured time and a line in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from support.serving.service_setup import FakeMetrics, ServiceSetup

from serving.app import build_app
from serving.asgi.fast_path import FastPath
from serving.asgi.request_timing import RequestTiming
from serving.observability.events import LogEvent
from serving.observability.request_log import RequestLog

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def get(app: ASGIApp, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return the fields of each line of a request, without its time."""
    events = [r.args[0] for r in caplog.records if r.args and isinstance(r.args[0], LogEvent)]
    lines = [event.fields for event in events if event.event == "request"]
    return [{k: v for k, v in line.items() if k != "milliseconds"} for line in lines]


@pytest.mark.parametrize(
    ("path", "route", "status", "ticker"),
    [
        ("/predict/AAPL", "/predict/{ticker}", 200, "AAPL"),  # the fast path
        ("/predict/ZZZZ", "/predict/{ticker}", 404, "ZZZZ"),
        ("/predict/FB", "/predict/{ticker}", 409, "FB"),
        ("/models/status", "/models/status", 200, None),
        ("/nowhere", "unmatched", 404, None),
    ],
)
def test_a_request_is_one_line_with_its_route_ticker_version_and_trace(
    service: ServiceSetup,
    caplog: pytest.LogCaptureFixture,
    *,
    path: str,
    route: str,
    status: int,
    ticker: str | None,
) -> None:
    service.go_live()
    rest = build_app()
    rest.state.service = service.state
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        get(
            FastPath(Starlette(), rest),
            path,
            **{"x-request-id": "abc", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"},
        )
    fields = {
        "method": "GET",
        "route": route,
        "status": status,
        "request_id": "abc",
        "trace_id": TRACE_ID,
        "version": 1,
    }
    (line,) = logged(caplog)
    assert (line.pop("problem", None) is not None) == (status >= 400)
    assert line == fields | ({"ticker": ticker} if ticker else {})
    assert [(r, s) for r, s, _ in service.metrics.requests] == [(route, status)]


def test_the_line_of_a_failed_request_states_the_cause(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    rest = build_app()
    rest.state.service = service.state
    service.refresh()
    get(FastPath(Starlette(), rest), "/predict/AAPL")
    (line,) = logged(caplog)
    assert (line["status"], line["problem"]) == (503, "no-champion")
    assert "Run `stockcast run`" in str(line["detail"])


def test_the_time_of_a_stream_ends_when_it_starts() -> None:
    """Regression: an open stream of events was a slow request of hours."""
    times: list[float] = []

    async def stream(_: Request) -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            loop = asyncio.get_running_loop()
            started = loop.time()
            yield b"first"
            await asyncio.sleep(0.2)
            times.append(loop.time() - started)

        return StreamingResponse(content())

    metrics = FakeMetrics()
    service = SimpleNamespace(
        metrics=metrics, request_log=RequestLog(0), live=SimpleNamespace(version=None)
    )
    app = Starlette(routes=[Route("/events", stream)])
    response = get(RequestTiming(app, State({"service": service})), "/events")
    ((route, status, seconds),) = metrics.requests
    assert (route, status, response.text) == ("/events", 200, "first")
    assert seconds < times[0]
