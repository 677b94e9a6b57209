"""Errors of routes and Starlette become problems."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.clock import SystemClock
from serving.asgi.error_boundary import ErrorBoundary
from serving.http.problems import MEDIA_TYPE


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path} {len(await request.body())}")


async def raise_error(_: Request) -> Response:
    msg = "secret detail"
    raise RuntimeError(msg)


async def health(_: Request) -> Response:
    return JSONResponse({"status": "unavailable"}, 503)


ROUTES = [
    Route("/echo", echo, methods=["POST"]),
    Route("/explode", raise_error),
    Route("/health", health),
]


def request(path: str, content: bytes | None = None) -> httpx.Response:
    app = Starlette(routes=ROUTES)
    app.state.service = SimpleNamespace(clock=SystemClock())

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(ErrorBoundary(app, app.state))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request("GET" if content is None else "POST", path, content=content)

    return asyncio.run(send())


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == MEDIA_TYPE
    assert int(response.headers["content-length"]) == len(response.content)
    body = response.json()
    assert set(body) >= {"type", "title", "status", "detail"}
    assert body["status"] == response.status_code
    return body


def test_an_exception_gets_a_response_and_is_logged_but_not_exposed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "stockcast.serving"):
        body = problem(request("/explode"))
    assert body["status"] == 500
    assert "secret" not in json.dumps(body)
    assert "event=request_failed method=GET path=/explode" in caplog.text
    assert "secret detail" in caplog.text


def test_unknown_routes_and_methods_are_problems_too() -> None:
    assert "There is no route /nope" in problem(request("/nope"))["detail"]
    response = request("/echo")
    assert problem(response)["status"] == 405
    assert response.headers["allow"] == "POST"


def test_the_response_of_health_is_not_replaced() -> None:
    assert request("/health").json() == {"status": "unavailable"}
