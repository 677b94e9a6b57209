"""The fast path: which requests it handles, and the scope of the requests that reach BentoML."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.serving.service_setup import ServiceSetup

from serving.asgi.error_boundary import REAL_PATH
from serving.asgi.fast_path import FastPath


class InnerApp:
    """Stands for BentoML and records the scopes that it receives."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        rest = Starlette(routes=[Route("/predict/{ticker}", PlainTextResponse("x"))])
        self.routes = [
            Route("/livez", PlainTextResponse("x")),
            Mount("/assets", PlainTextResponse("x")),
            Mount("", rest),
        ]

    async def __call__(self, scope: dict[str, Any], *_: object) -> None:
        self.scopes.append(scope)


def send_request(
    inner: InnerApp, service: ServiceSetup, path: str, query: bytes = b"", method: str = "GET"
) -> list[dict[str, Any]]:
    """Send one request through the fast path; return the messages that it sends itself."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = FastPath(inner, State({"service": service.state}))  # type: ignore[arg-type]
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    return sent


def test_a_precomputed_response_never_reaches_bentoml(service: ServiceSetup) -> None:
    service.go_live()
    inner = InnerApp()
    start, body = send_request(inner, service, "/predict/AAPL", b"horizon=1w")
    assert start["status"] == 200
    assert body["body"] == service.live.require().response("AAPL", 5).content
    assert inner.scopes == []
    assert service.metrics.counts == [("fast_path", "1w")]


@pytest.mark.parametrize(
    ("path", "query", "method"),
    [
        ("/predict/AAPL", b"horizon=2d", "GET"),
        ("/predict/AAPL", b"", "POST"),
        ("/predict/aapl", b"", "GET"),
        ("/predict/NOPE", b"", "GET"),
    ],
)
def test_every_other_request_is_passed_on_with_its_real_path(
    service: ServiceSetup, path: str, query: bytes, method: str
) -> None:
    service.go_live()
    inner = InnerApp()
    assert send_request(inner, service, path, query, method) == []
    (scope,) = inner.scopes
    assert scope[REAL_PATH] == path
    assert scope["path"] == "/predict/{ticker}"


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("/livez", "/livez"), ("/assets/a/b.js", "/assets"), ("/x/y", "/unknown"), ("/", "/unknown")],
)
def test_the_metrics_of_bentoml_receive_a_bounded_number_of_paths(
    service: ServiceSetup, path: str, pattern: str
) -> None:
    inner = InnerApp()
    send_request(inner, service, path)
    assert inner.scopes[0]["path"] == pattern


def test_without_live_forecasts_every_request_is_passed_on(service: ServiceSetup) -> None:
    inner = InnerApp()
    send_request(inner, service, "/predict/AAPL")
    assert len(inner.scopes) == 1


def test_the_lifespan_is_passed_on_before_the_state_exists() -> None:
    inner = InnerApp()
    app = FastPath(inner, State())  # type: ignore[arg-type]
    asyncio.run(app({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert inner.scopes == [{"type": "lifespan"}]
