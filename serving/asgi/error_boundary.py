"""ASGI middleware around the routes: body limit and error responses.

It converts every error, including those of BentoML and Starlette, to a problem.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import (
    MEDIA_TYPE,
    Problem,
    internal_error,
    problem_of,
)
from serving.observability.events import log_event

MAX_BODY_BYTES = 2**20

_CONTENT_TYPE = b"content-type"
_REPLACED_HEADERS = {_CONTENT_TYPE, b"content-length"}


class ErrorBoundary:
    """ASGI middleware around all routes of the service."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = _Response(scope, send)
        try:
            body = await _read_body(receive)
            if body is None:
                return
            await self._app(scope, _replay(body, receive), response.send)
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
                error=f"{type(error).__name__}: {error}",
            )


class _Response:
    """Forwards a response. Buffers an error of BentoML or Starlette and replaces it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
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
        original = self._buffered_start["headers"] if self._buffered_start else []
        body = problem.body()
        headers = [
            *((name, value) for name, value in original if name not in _REPLACED_HEADERS),
            (_CONTENT_TYPE, MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        start = {"type": "http.response.start", "status": problem.status, "headers": headers}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    @staticmethod
    def _must_be_replaced(start: Message) -> bool:
        """Return whether an error is from BentoML or Starlette, which send plain text."""
        content_type: bytes = dict(start["headers"]).get(_CONTENT_TYPE, b"")
        is_error = start["status"] >= HTTPStatus.BAD_REQUEST
        return is_error and content_type.startswith(b"text/plain")


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client has disconnected."""
    content: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if len(content) > MAX_BODY_BYTES:
            msg = f"The body must be at most {MAX_BODY_BYTES} bytes; send fewer bars."
            raise Problem(413, "body-too-large", msg, limit_bytes=MAX_BODY_BYTES)
        if not message.get("more_body", False):
            return content


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields the body again, and then the further client messages."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


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
