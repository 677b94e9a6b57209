"""Identification and time of each request: response headers and metrics."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count
from time import perf_counter

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import PROBLEM, Problem
from serving.observability.request_log import FAILED_FROM
from serving.observability.tracing import current_trace_id
from serving.protection.guard import EXTRA_HEADERS
from serving.state import ServiceState

Header = tuple[bytes, bytes]

# Key of the scope: the id of the request, as text.
REQUEST_ID = "stockcast.request_id"
REQUEST_ID_HEADER, _RESPONSE_TIME = b"x-request-id", b"x-response-time"
_UNMATCHED = "unmatched"
_MAX_TICKER = 24
# An id of a caller must be safe in a log and in a header.
_SAFE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
# Version, trace id, parent id and flags, see https://www.w3.org/TR/trace-context/.
_TRACE_ID = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)")
_STORED = {b"cache-control", b"etag"}

_prefix = os.urandom(6).hex().encode()
_numbers = count(1)


def request_id(given: bytes | None) -> bytes:
    """Return the id that the caller has given if it is safe, else a new one."""
    if given is not None and _SAFE_ID.fullmatch(given):
        return given
    return b"%b-%x" % (_prefix, next(_numbers))


def response_time(seconds: float) -> Header:
    """Return the header `X-Response-Time`, in milliseconds."""
    return _RESPONSE_TIME, b"%.3fms" % (seconds * 1e3)


class RequestTiming:
    """ASGI middleware outside all others that a request passes, except the fast path."""

    def __init__(self, app: ASGIApp, app_state: State) -> None:
        self._app = app
        self._app_state = app_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        identifier = request_id(dict(scope["headers"]).get(REQUEST_ID_HEADER))
        scope[REQUEST_ID] = identifier.decode()
        status, seconds = 500, None

        async def send_with_headers(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], perf_counter() - started
                headers = _with_storage(message["headers"])
                headers += [(REQUEST_ID_HEADER, identifier), response_time(seconds)]
                message["headers"] = [*headers, *scope.get(EXTRA_HEADERS, ())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            # A stream may last for hours, so the time ends when its response starts.
            seconds = perf_counter() - started if seconds is None else seconds
            self._record(scope, status, seconds, started + seconds)

    def _record(self, scope: Scope, status: int, seconds: float, now: float) -> None:
        service: ServiceState = self._app_state.service
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        service.metrics.record_request(route, status, seconds)
        if service.request_log.is_due(status, seconds, now):
            log_request(service, scope, route, status, seconds)


def log_request(
    service: ServiceState, scope: Scope, route: str, status: int, seconds: float
) -> None:
    """Write the line of one request."""
    given = _TRACE_ID.match(dict(scope["headers"]).get(b"traceparent", b""))
    ticker = scope.get("path_params", {}).get("ticker")
    problem: Problem | None = scope.get(PROBLEM)
    service.request_log.write(
        method=scope["method"],
        route=route,
        status=status,
        seconds=seconds,
        request_id=scope[REQUEST_ID],
        trace_id=current_trace_id() or (given and given[1].decode()),
        ticker=ticker and ticker[:_MAX_TICKER],
        version=service.live.version,
        problem=problem and problem.kind,
        detail=problem and problem.detail if status >= FAILED_FROM else None,
    )


def _with_storage(headers: Iterable[Header]) -> list[Header]:
    """Return the headers, with `no-store` if they do not say whether to store the response."""
    present = list(headers)
    if _STORED.isdisjoint(name for name, _ in present):
        present.append((b"cache-control", b"no-store"))
    return present
