"""The smallest ASGI app: the speed of the server without any work."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def app(scope: Scope, _receive: Receive, send: Send) -> None:
    """Send a minimal response."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})
