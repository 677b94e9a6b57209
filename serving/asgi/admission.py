"""ASGI middleware that admits requests: credentials, rate and load limits, and a time limit."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import Problem
from serving.protection.guard import is_public
from serving.protection.protection import Protection

_POLICY_VIOLATION = 1008


class Admission:
    """Admits a request, or raises a `Problem`; closes a WebSocket that is not admitted."""

    def __init__(self, app: ASGIApp, protection: Protection) -> None:
        self._app = app
        self._protection = protection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        self._protection.guard.admit(scope)
        if is_public(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._run(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._protection.guard.admit(scope)
        except Problem as problem:
            reason = problem.kind
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
        else:
            await self._app(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request within limits that end when its response starts, because it may stream."""
        seconds = self._protection.request_seconds
        slot = self._protection.load.enter()
        try:
            async with asyncio.timeout(seconds) as limit:

                async def send_within_limits(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        limit.reschedule(None)
                        slot.release()
                    await send(message)

                await self._app(scope, receive, send_within_limits)
        except TimeoutError:
            if not limit.expired():
                raise
            msg = f"The request did not finish within {seconds:g} s; retry later."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "request-timeout", msg) from None
        finally:
            slot.release()
