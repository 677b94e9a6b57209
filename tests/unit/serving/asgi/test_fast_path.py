from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.serving.refresher_setup import RefresherSetup

from serving.asgi.error_boundary import REAL_PATH
from serving.asgi.fast_path import FastPath
from serving.state import ServiceState


class Inner:
    """Stands for BentoML: remembers the scopes that reach it."""

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


@pytest.fixture
def setup(tmp_path: Path) -> RefresherSetup:
    return RefresherSetup(tmp_path)


def ask(
    front: FastPath, path: str, query: bytes = b"", method: str = "GET"
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    asyncio.run(front(scope, None, send))  # type: ignore[arg-type]
    return sent


def test_a_ready_answer_never_reaches_bentoml(setup: RefresherSetup) -> None:
    setup.go_live()
    inner, office = Inner(), ServiceState(setup.desk, metrics=setup.metrics)
    start, body = ask(FastPath(inner, office), "/predict/AAPL", b"horizon=1w")
    assert start["status"] == 200
    assert body["body"] == setup.desk.require().answer("AAPL", 5).content
    assert inner.scopes == []
    assert setup.metrics.counts == [("ready", "1w")]


@pytest.mark.parametrize(
    ("path", "query", "method"),
    [
        ("/predict/AAPL", b"horizon=2d", "GET"),
        ("/predict/AAPL", b"", "POST"),
        ("/predict/aapl", b"", "GET"),
        ("/predict/NOPE", b"", "GET"),
    ],
)
def test_everything_else_passes_on_with_its_real_path(
    setup: RefresherSetup, path: str, query: bytes, method: str
) -> None:
    setup.go_live()
    inner = Inner()
    assert ask(FastPath(inner, ServiceState(setup.desk)), path, query, method) == []
    (scope,) = inner.scopes
    assert scope[REAL_PATH] == path
    assert scope["path"] == "/predict/{ticker}"


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("/livez", "/livez"), ("/assets/a/b.js", "/assets"), ("/x/y", "/unknown"), ("/", "/unknown")],
)
def test_metrics_see_few_paths_whatever_callers_ask_for(
    setup: RefresherSetup, path: str, pattern: str
) -> None:
    inner = Inner()
    ask(FastPath(inner, ServiceState(setup.desk)), path)
    assert inner.scopes[0]["path"] == pattern


def test_before_anything_is_live_every_request_passes_on(setup: RefresherSetup) -> None:
    inner = Inner()
    ask(FastPath(inner, ServiceState(setup.desk)), "/predict/AAPL")
    assert len(inner.scopes) == 1
