"""Admission of requests: problems with their headers, limits on time and load, WebSockets."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from support.serving.service_setup import NOW, ServiceSetup

from serving.app import build_app
from serving.asgi.fast_path import FastPath
from serving.protection.access import require_scope
from serving.protection.keys import KeyStore


async def administer(request: Request) -> Response:
    return JSONResponse({"done": request.method})


async def wait_for_ever(_: Request) -> Response:
    await asyncio.Event().wait()
    return Response()


async def stream(request: Request) -> Response:
    """Send a first part at once, and the second after the time limit."""

    async def parts() -> Any:  # noqa: ANN401
        yield b"a"
        await asyncio.sleep(2 * request.app.state.service.protection.request_seconds)
        yield b"b"

    return StreamingResponse(parts())


def build(service: ServiceSetup) -> FastPath:
    rest = build_app()
    rest.router.routes += [
        Route("/admin", require_scope("admin")(administer), methods=["POST"]),
        Route("/slow", wait_for_ever),
        Route("/stream", stream),
    ]
    rest.state.service = service.state
    return FastPath(Starlette(), rest)


def send(app: FastPath, *requests: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    """Send all requests at once."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            calls = (client.request(m, path, headers=headers) for m, path, headers in requests)
            return await asyncio.gather(*calls)

    return asyncio.run(run())


@pytest.mark.parametrize("settings", [{"access": "keys"}], indirect=True)
def test_the_fast_path_enforces_keys(service: ServiceSetup) -> None:
    service.go_live()
    key = KeyStore(service.folder).create("app", "read", NOW)
    service.refresh()
    refused, accepted = send(
        build(service), ("GET", "/predict/AAPL", {}), ("GET", "/predict/AAPL", {"x-api-key": key})
    )
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.json()["type"] == "urn:stockcast:problem:key-required"
    assert accepted.status_code == 200


@pytest.mark.parametrize("settings", [{"rate_limit": 2}], indirect=True)
def test_the_fast_path_and_the_routes_share_a_limit_with_its_headers(service: ServiceSetup) -> None:
    service.go_live()
    app = build(service)
    fast, slow, refused = (
        send(app, ("GET", path, {}))[0] for path in ("/predict/AAPL", "/health", "/predict/AAPL")
    )
    assert [r.headers["ratelimit"] for r in (fast, slow)] == [
        '"requests";r=1;t=30',
        '"requests";r=0;t=60',
    ]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert refused.headers["ratelimit-policy"] == '"requests";q=2;w=60'


@pytest.mark.parametrize("settings", [{"access": "open"}], indirect=True)
def test_an_admin_route_needs_a_key_with_that_scope_even_when_access_is_open(
    service: ServiceSetup,
) -> None:
    store = KeyStore(service.folder)
    keys = {scope: store.create(scope, scope, NOW) for scope in ("read", "admin")}
    service.refresh()
    responses = send(
        build(service),
        ("POST", "/admin", {}),
        ("POST", "/admin", {"x-api-key": keys["read"]}),
        ("POST", "/admin", {"authorization": f"bearer {keys['admin']}"}),
    )
    assert [r.status_code for r in responses] == [401, 403, 200]
    assert responses[1].json()["scope"] == "admin"


@pytest.mark.parametrize("settings", [{"max_concurrency": 1}], indirect=True)
def test_load_is_shed_with_the_time_to_retry(service: ServiceSetup) -> None:
    service.go_live()
    app = build(service)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            slow = asyncio.create_task(client.get("/slow"))
            await asyncio.sleep(0)
            while service.state.protection.load._in_progress == 0:
                await asyncio.sleep(0)
            shed = [await client.get(p) for p in ("/models/status", "/predict/AAPL", "/docs")]
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            return [*shed, await client.get("/models/status")]

    overloaded, fast, public, after = asyncio.run(run())
    assert (overloaded.status_code, overloaded.headers["retry-after"]) == (503, "1")
    assert overloaded.json()["type"] == "urn:stockcast:problem:overloaded"
    assert fast.status_code == 200
    assert public.status_code != 503
    assert after.status_code == 200


@pytest.mark.parametrize("settings", [{"request_seconds": 0.05}], indirect=True)
def test_a_slow_route_times_out_and_a_stream_does_not(service: ServiceSetup) -> None:
    slow, streamed = send(build(service), ("GET", "/slow", {}), ("GET", "/stream", {}))
    assert slow.status_code == 503
    assert slow.json()["type"] == "urn:stockcast:problem:request-timeout"
    assert (streamed.status_code, streamed.text) == (200, "ab")
    assert service.state.protection.load._in_progress == 0


@pytest.mark.parametrize("settings", [{"access": "keys"}], indirect=True)
def test_a_websocket_without_a_key_is_closed(service: ServiceSetup) -> None:
    sent: list[dict[str, Any]] = []

    async def send_message(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws/forecasts", "headers": [], "server": ("::1", 1)}
    asyncio.run(build(service)(scope, None, send_message))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "key-required"}]


@pytest.mark.parametrize(
    "settings", [{"access": "keys", "cors_origins": ("https://a.example",)}], indirect=True
)
def test_a_web_page_of_a_configured_origin_may_send_a_key(service: ServiceSetup) -> None:
    service.go_live()
    key = KeyStore(service.folder).create("page", "read", NOW)
    service.refresh()
    app = build(service)
    ask = {"access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    allowed, refused, read = send(
        app,
        ("OPTIONS", "/predict/AAPL", {"origin": "https://a.example", **ask}),
        ("OPTIONS", "/predict/AAPL", {"origin": "https://b.example", **ask}),
        ("GET", "/predict/AAPL", {"origin": "https://a.example", "x-api-key": key}),
    )
    assert (allowed.status_code, refused.status_code) == (200, 400)
    for response in (allowed, read):
        assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert "X-API-Key" in allowed.headers["access-control-allow-headers"]
    assert "ETag" in read.headers["access-control-expose-headers"]


def test_without_configured_origins_no_web_page_of_another_origin_may_read(
    service: ServiceSetup,
) -> None:
    service.go_live()
    (response,) = send(build(service), ("GET", "/predict/AAPL", {"origin": "https://a.example"}))
    assert "access-control-allow-origin" not in response.headers
