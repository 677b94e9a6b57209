"""ASGI middleware that reads the whole body of a request, up to a limit."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import Problem

MAX_BODY_BYTES = 2**20


class BodyLimit:
    """Refuses a body above `MAX_BODY_BYTES`, even one without a content length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a client that has disconnected gets no response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


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
