"""Outermost ASGI app: sends precomputed responses, and passes all other requests to the routes.

BentoML starts and stops the service and has a few routes of its own. Its middleware handles no
request: it costs more than the lookup of a forecast, and it retains each request until a time-out.
"""

from __future__ import annotations

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
from serving.forecasts.precomputed import Header, PrecomputedResponse
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
    def _cross_origin(self) -> ASGIApp | None:
        origins = self._state.protection.cors_origins
        if not origins:
            return None
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
        elif self._cross_origin is not None:
            await self._cross_origin(scope, receive, send)
        else:
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        response = self._find_response(scope)
        if response is None:
            if scope["path"].startswith(PREFIX):
                scope["path"] = without_prefix(scope["path"])
            await self._routes(scope, receive, send)
            return
        # The messages are sent from here, because a further coroutine costs as much as the lookup.
        known, identifier, headers = _prepare(response, scope)
        seconds = perf_counter() - started
        headers.append(response_time(seconds))
        status = 304 if known else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if known else response.content})
        state = self._state
        state.metrics.count_forecast("fast_path", response.horizon)
        state.metrics.record_request(FAST_ROUTE, status, seconds)
        if state.request_log.is_due(status, seconds, started + seconds):
            scope[REQUEST_ID] = identifier.decode()
            scope["path_params"] = {"ticker": scope["path"].rpartition("/")[2]}
            log_request(state, scope, FAST_ROUTE, status, seconds)

    def _find_response(self, scope: Scope) -> PrecomputedResponse | None:
        """Return the response to an admitted request, or to its canonical form."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        state = self._state
        key = (scope["path"], scope["query_string"])
        response = state.live.responses.get(key)
        if response is None and (canonical := canonical_request(*key)) is not None:
            response = state.live.responses.get(canonical)
        guard = state.protection.guard
        if response is None or guard.is_free(scope) or guard.admits(scope):
            return response
        return None


def _prepare(response: PrecomputedResponse, scope: Scope) -> tuple[bool, bytes, list[Header]]:
    """Return whether the caller has the content already, the id of the request, and the headers."""
    given = dict(scope["headers"])
    known = response.is_known(given.get(b"if-none-match"))
    identifier = request_id(given.get(REQUEST_ID_HEADER))
    headers = response.not_modified_headers if known else response.headers
    headers.append((REQUEST_ID_HEADER, identifier))
    if EXTRA_HEADERS in scope:
        headers += scope[EXTRA_HEADERS]
    return known, identifier, headers
