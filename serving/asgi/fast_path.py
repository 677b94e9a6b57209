"""Outermost ASGI app: sends precomputed responses, and passes all other requests to the routes.

BentoML starts and stops the service and has a few routes of its own. Its middleware handles no
request: it costs more than the lookup of a forecast, and it retains each request until a time-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from time import perf_counter

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.asgi.admission import Admission
from serving.asgi.body_limit import BodyLimit
from serving.asgi.error_boundary import ErrorBoundary
from serving.asgi.request_timing import (
    REQUEST_ID,
    REQUEST_ID_HEADER,
    RequestTiming,
    log_request,
    request_id,
    response_time,
)
from serving.forecasts.precomputed import PrecomputedResponse, RequestKey
from serving.http.prefix import PREFIX, canonical_request, without_prefix
from serving.protection.guard import EXTRA_HEADERS
from serving.state import ServiceState

FAST_ROUTE = "/predict/{ticker}"
# Headers that a web page of another origin may send and read.
_ALLOWED_HEADERS = ("Authorization", "Content-Type", "If-None-Match", "X-API-Key", "X-Request-ID")
_EXPOSED_HEADERS = (
    *("ETag", "RateLimit", "RateLimit-Policy", "Retry-After"),
    *("X-Request-ID", "X-Response-Time"),
)


class FastPath:
    """ASGI app of the service.

    Parameters
    ----------
    bentoml
        App of BentoML. It receives the lifespan, and the requests that `rest` has no route for.
    rest
        App with the routes. The service sets the `service` attribute of its state during start-up,
        before the first request.
    """

    def __init__(self, bentoml: Starlette, rest: Starlette) -> None:
        self._lifespan: ASGIApp = bentoml
        self._rest = rest
        rest.router.default = bentoml.router

    @cached_property
    def _state(self) -> ServiceState:
        # Cached, because `State` resolves its attributes in Python code.
        state: ServiceState = self._rest.state.service
        return state

    @cached_property
    def _routes(self) -> ASGIApp:
        app_state, protection = self._rest.state, self._state.protection
        admitted = Admission(BodyLimit(self._rest), protection)
        return RequestTiming(ErrorBoundary(admitted, app_state), app_state)

    @cached_property
    def _entry(self) -> ASGIApp:
        origins = self._state.protection.cors_origins
        if not origins:
            return self._respond
        return CORSMiddleware(
            self._respond,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the lifespan of the app."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._entry(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        if scope["type"] == "http" and scope["method"] == "GET":
            state = self._state
            response = _find_response(state.live.responses, scope)
            guard = state.protection.guard
            if response is not None and (guard.is_free(scope) or guard.admits(scope)):
                await _send_response(response, scope, send, state, started)
                return
        if scope["path"].startswith(PREFIX):
            scope["path"] = without_prefix(scope["path"])
        await self._routes(scope, receive, send)


def _find_response(
    responses: Mapping[RequestKey, PrecomputedResponse], scope: Scope
) -> PrecomputedResponse | None:
    """Return the response to a request, or to its canonical form."""
    key = (scope["path"], scope["query_string"])
    response = responses.get(key)
    if response is None and (canonical := canonical_request(*key)) is not None:
        return responses.get(canonical)
    return response


async def _send_response(
    response: PrecomputedResponse, scope: Scope, send: Send, state: ServiceState, started: float
) -> None:
    """Send a precomputed response, and count and log its request."""
    given = dict(scope["headers"])
    known = response.is_known(given.get(b"if-none-match"))
    identifier = request_id(given.get(REQUEST_ID_HEADER))
    headers = response.not_modified_headers if known else response.headers
    headers += (
        (REQUEST_ID_HEADER, identifier),
        response_time(perf_counter() - started),
        *scope.get(EXTRA_HEADERS, ()),
    )
    status = 304 if known else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if known else response.content})
    state.metrics.count_forecast("fast_path", response.horizon)
    seconds = perf_counter() - started
    state.metrics.record_request(FAST_ROUTE, status, seconds)
    if state.request_log.is_due(status, seconds, started + seconds):
        scope[REQUEST_ID] = identifier.decode()
        scope["path_params"] = {"ticker": scope["path"].rpartition("/")[2]}
        log_request(state, scope, FAST_ROUTE, status, seconds)
