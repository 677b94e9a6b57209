"""Identification and time of each request: response headers and metrics."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count
from time import perf_counter

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.protection.guard import EXTRA_HEADERS

Header = tuple[bytes, bytes]

# Key of the scope: the id of the request, as text.
REQUEST_ID = "stockcast.request_id"
REQUEST_ID_HEADER, _RESPONSE_TIME = b"x-request-id", b"x-response-time"
_UNMATCHED = "unmatched"
# An id of a caller must be safe in a log and in a header.
_SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_STORED = {b"cache-control", b"etag"}

_prefix = os.urandom(6).hex().encode()
_numbers = count(1)


def request_id(given: bytes | None) -> bytes:
    """Return the id that the caller has given if it is sane, else a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
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
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = _with_storage(message["headers"])
                headers += [
                    (REQUEST_ID_HEADER, identifier),
                    response_time(perf_counter() - started),
                ]
                message["headers"] = [*headers, *scope.get(EXTRA_HEADERS, ())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", _UNMATCHED)
            metrics = self._app_state.service.metrics
            metrics.record_request(route, status, perf_counter() - started)


def _with_storage(headers: Iterable[Header]) -> list[Header]:
    """Return the headers; a response that does not say whether it may be stored must not be."""
    present = list(headers)
    if _STORED.isdisjoint(name for name, _ in present):
        present.append((b"cache-control", b"no-store"))
    return present
