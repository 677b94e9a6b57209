"""The fast path: which requests it answers itself, and where the others go."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support.serving.service_setup import ServiceSetup

from serving.app import build_app
from serving.asgi.fast_path import FastPath


class BentoApp(Starlette):
    """Stands for BentoML: a middleware that must not see requests, and a route of its own."""

    def __init__(self) -> None:
        super().__init__(routes=[Route("/metrics", PlainTextResponse("from BentoML"))])
        self.middleware_scopes: list[str] = []

    async def __call__(self, scope: dict[str, Any], *_: object) -> None:
        self.middleware_scopes.append(scope["type"])


def request(
    service: ServiceSetup, method: str, path: str, bento: BentoApp | None = None, **options: object
) -> httpx.Response:
    rest = build_app()
    rest.state.service = service.state
    app = FastPath(bento or BentoApp(), rest)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(send())


def test_a_precomputed_response_needs_no_route(service: ServiceSetup) -> None:
    service.go_live()
    response = request(service, "GET", "/predict/AAPL?horizon=1w")
    assert response.status_code == 200
    assert response.content == service.live.require().response("AAPL", 5).content
    assert service.metrics.counts == [("fast_path", "1w")]


def test_a_precomputed_response_has_all_headers(service: ServiceSetup) -> None:
    service.go_live()
    headers = request(service, "GET", "/predict/AAPL").headers
    assert headers["cache-control"] == "no-cache"
    assert re.fullmatch(r'"[0-9a-f]{16}"', headers["etag"])
    assert re.fullmatch(r"\d+\.\d{3}ms", headers["x-response-time"])
    other = request(service, "GET", "/predict/AAPL").headers
    assert headers["x-request-id"] != other["x-request-id"]
    assert headers["etag"] == other["etag"]


@pytest.mark.parametrize("path", ["/predict/AAPL", "/models/status"])
@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-1:2.3_x", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("-x", False)],
)
def test_a_sane_request_id_is_kept(
    service: ServiceSetup, path: str, given: str, *, is_kept: bool
) -> None:
    service.go_live()
    response = request(service, "GET", path, headers={"x-request-id": given})
    assert (response.headers["x-request-id"] == given) is is_kept


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_a_caller_that_has_the_content_gets_no_body(service: ServiceSetup, form: str) -> None:
    service.go_live()
    etag = request(service, "GET", "/predict/AAPL").headers["etag"]
    headers = {"if-none-match": form.format(etag)}
    response = request(service, "GET", "/predict/AAPL", headers=headers)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert "content-length" not in response.headers


def test_a_new_forecast_has_another_etag(service: ServiceSetup) -> None:
    service.go_live()
    etag = request(service, "GET", "/predict/AAPL").headers["etag"]
    service.go_live(seed=2)
    response = request(service, "GET", "/predict/AAPL", headers={"if-none-match": etag})
    assert response.status_code == 200
    assert response.headers["etag"] != etag


def test_responses_of_routes_are_identified_and_not_stored(service: ServiceSetup) -> None:
    headers = request(service, "GET", "/health").headers
    assert headers["cache-control"] == "no-store"
    assert {"x-request-id", "x-response-time"} <= headers.keys()
    assert "x-request-id" in request(service, "GET", "/nothing").headers


def test_every_request_is_counted_by_the_pattern_of_its_route(service: ServiceSetup) -> None:
    service.go_live()
    for path in ("/predict/AAPL", "/predict/NOPE", "/nothing"):
        request(service, "GET", path)
    assert [request[:2] for request in service.metrics.requests] == [
        ("/predict/{ticker}", 200),
        ("/predict/{ticker}", 404),
        ("unmatched", 404),
    ]


@pytest.mark.parametrize("path", ["/predict/aapl?timeframe=1w", "/api/v1/predict/AAPL?horizon=1w"])
def test_other_spellings_of_a_request_get_the_same_precomputed_response(
    service: ServiceSetup, path: str
) -> None:
    service.go_live()
    response = request(service, "GET", path)
    assert response.content == service.live.require().response("AAPL", 5).content
    assert service.metrics.counts == [("fast_path", "1w")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict/AAPL?horizon=2d", 422),
        ("PUT", "/predict/AAPL", 405),
        ("GET", "/predict/aapl", 200),
        ("GET", "/predict/NOPE", 404),
        ("GET", "/models/status", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/metrics", 200),
        ("GET", "/api/v1/predict/NOPE", 404),
        ("GET", "/nothing/here", 404),
    ],
)
def test_no_request_passes_through_the_middleware_of_bentoml(
    service: ServiceSetup, method: str, path: str, status: int
) -> None:
    service.go_live()
    bento = BentoApp()
    assert request(service, method, path, bento).status_code == status
    assert bento.middleware_scopes == []


def test_a_route_of_bentoml_responds(service: ServiceSetup) -> None:
    assert request(service, "GET", "/metrics").text == "from BentoML"


def test_post_gives_the_same_forecast_as_get(service: ServiceSetup) -> None:
    service.go_live()
    posted = request(service, "POST", "/predict", json={"ticker": "aapl", "horizon": "1w"})
    assert posted.content == request(service, "GET", "/predict/AAPL?horizon=1w").content


@pytest.mark.parametrize(
    ("path", "options", "status", "kind"),
    [
        ("/predict", {"json": {"ticker": "AAPL", "horizon": "1y"}}, 422, "invalid-request"),
        ("/predict", {"content": b'{"ticker'}, 400, "malformed-json"),
        ("/predict", {"content": b""}, 400, "malformed-json"),
        ("/predict?horizon=1w", {"json": {"ticker": "AAPL"}}, 422, "invalid-request"),
        (
            "/predict",
            {"content": b"{}", "headers": {"content-type": "text/plain"}},
            415,
            "unsupported-media-type",
        ),
    ],
)
def test_an_invalid_post_is_a_problem(
    service: ServiceSetup, path: str, options: dict[str, Any], status: int, kind: str
) -> None:
    response = request(service, "POST", path, **options)
    assert response.status_code == status
    assert response.json()["type"] == f"urn:stockcast:problem:{kind}"


def test_without_live_forecasts_the_route_names_the_reason(service: ServiceSetup) -> None:
    assert request(service, "GET", "/predict/AAPL").status_code == 503


def test_the_lifespan_goes_to_bentoml_before_the_state_exists() -> None:
    bento = BentoApp()
    asyncio.run(FastPath(bento, build_app())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert bento.middleware_scopes == ["lifespan"]


class Scope(dict[str, Any]):
    """A scope that a weak reference can name."""


@pytest.mark.parametrize("path", ["/models/status", "/predict/aapl", "/metrics", "/nothing"])
def test_no_request_is_retained_after_its_response(service: ServiceSetup, path: str) -> None:
    """Regression: BentoML kept each request until its time-out, 3 KB and more each."""
    service.go_live()
    rest = build_app()
    rest.state.service = service.state
    app = FastPath(BentoApp(), rest)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: object) -> None: ...

    async def send_request() -> weakref.ref[Scope]:
        scope = Scope(
            type="http", method="GET", path=path, query_string=b"", headers=[], root_path=""
        )
        await app(scope, receive, send)
        return weakref.ref(scope)

    async def send_requests() -> int:
        # Each scope is local to a frame that ends. A recorder of coverage may read `f_locals` of a
        # running frame, which then refers to its variables until it ends.
        alive = [await send_request() for _ in range(20)]
        gc.collect()
        return sum(scope() is not None for scope in alive)

    assert asyncio.run(send_requests()) == 0
