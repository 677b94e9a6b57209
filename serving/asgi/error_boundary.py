"""ASGI middleware around the routes: error responses.

It converts every error, including those of BentoML and Starlette, to a problem.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.asgi.request_timing import REQUEST_ID
from serving.http.problems import (
    PROBLEM,
    Problem,
    internal_error,
    problem_of,
)
from serving.observability.events import log_event

_CONTENT_TYPE = b"content-type"
_REPLACED_HEADERS = {_CONTENT_TYPE, b"content-length"}


class ErrorBoundary:
    """ASGI middleware around all routes of the service."""

    def __init__(self, app: ASGIApp, app_state: State) -> None:
        self._app = app
        self._app_state = app_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = _Response(scope, receive, send, self._app_state)
        try:
            await self._app(scope, receive, response.send)
        except Problem as problem:
            await response.replace(problem)
        except Exception as error:  # noqa: BLE001  # every request must get a response
            await response.replace(problem_of(error))
            log_event(
                "request_failed",
                level=logging.ERROR,
                traceback_of=error,
                method=scope["method"],
                path=scope["path"],
                request_id=scope.get(REQUEST_ID),
                error=f"{type(error).__name__}: {error}",
            )


class _Response:
    """Forwards a response. Buffers an error of BentoML or Starlette and replaces it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, app_state: State) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._app_state = app_state
        self._started = False
        self._buffered_start: Message | None = None
        self._content = b""

    async def send(self, message: Message) -> None:
        start = self._buffered_start
        if message["type"] == "http.response.start" and self._must_be_replaced(message):
            self._buffered_start = message
        elif start is not None and message["type"] == "http.response.body":
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                await self.replace(_translate(start["status"], self._content, self._scope))
        else:
            self._started = True
            await self._send(message)

    async def replace(self, problem: Problem) -> None:
        """Send a problem, unless the response has started."""
        if self._started:
            return
        self._started = True
        self._scope[PROBLEM] = problem
        response = problem.response(self._app_state.service.clock.now())
        original = self._buffered_start["headers"] if self._buffered_start else []
        response.raw_headers += [pair for pair in original if pair[0] not in _REPLACED_HEADERS]
        await response(self._scope, self._receive, self._send)

    @staticmethod
    def _must_be_replaced(start: Message) -> bool:
        """Return whether an error is from BentoML or Starlette, which send plain text."""
        content_type: bytes = dict(start["headers"]).get(_CONTENT_TYPE, b"")
        is_error = start["status"] >= HTTPStatus.BAD_REQUEST
        return is_error and content_type.startswith(b"text/plain")


def _translate(status: int, content: bytes, scope: Scope) -> Problem:
    """Convert an error response of BentoML or Starlette to a problem."""
    if status == HTTPStatus.NOT_FOUND:
        msg = f"There is no route {scope['path'][:80]}; see /docs.json."
        return Problem(404, "route-not-found", msg)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        msg = f"This route does not support {scope['method']}; see /docs.json."
        return Problem(405, "method-not-allowed", msg)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE:
        return internal_error()
    phrase = HTTPStatus(status).phrase.lower().replace(" ", "-")
    return Problem(status, phrase, content.decode(errors="replace")[:500].strip())
