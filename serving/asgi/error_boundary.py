"""The ASGI layer between BentoML's middleware and all routes: limits, problems, nothing hangs.

It reads bodies up to a limit, turns errors that are not problems yet (BentoML's own among them)
into problems, and catches whatever a route raises: BentoML's time-out would otherwise keep the
caller waiting for an answer that never comes.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.problems import MEDIA_TYPE, Problem, invalid_request, problem_of
from serving.observability.events import log_event

MAX_BODY_BYTES = 2**20
# Under this key the front leaves the path that was asked for, see `serving.asgi.fast_path`.
REAL_PATH = "stockcast.path"

_CONTENT_TYPE = b"content-type"
_REPLACED_HEADERS = {_CONTENT_TYPE, b"content-length"}


class ErrorBoundary:
    """ASGI middleware around every route of the service."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope.get(REAL_PATH, scope["path"])
        answer = _Answer(scope, send)
        try:
            body = await _read_body(receive)
            if body is None:
                return
            await self._app(scope, _replay(body, receive), answer.send)
        except Problem as problem:
            await answer.replace(problem)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets an answer
            await answer.replace(problem_of(error))
            log_event(
                "request_failed",
                level=logging.ERROR,
                traceback_of=error,
                method=scope["method"],
                path=scope["path"],
                error=f"{type(error).__name__}: {error}",
            )


class _Answer:
    """Passes an answer on; an error that is not a problem yet is held back and rewritten."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._started = False
        self._held: Message | None = None
        self._content = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_foreign_error(message):
            self._held = message
        elif self._held is not None and message["type"] == "http.response.body":
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                await self.replace(_translate(self._held["status"], self._content, self._scope))
        else:
            self._started = True
            await self._send(message)

    async def replace(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer is on its way already."""
        if self._started:
            return
        self._started = True
        kept = self._held["headers"] if self._held else []
        body = problem.body()
        headers = [
            *((name, value) for name, value in kept if name not in _REPLACED_HEADERS),
            (_CONTENT_TYPE, MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        start = {"type": "http.response.start", "status": problem.status, "headers": headers}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _is_foreign_error(self, start: Message) -> bool:
        """Plain text is Starlette's; JSON on the typed route is BentoML's. `/health` is ours."""
        if start["status"] < HTTPStatus.BAD_REQUEST:
            return False
        content_type: bytes = dict(start["headers"]).get(_CONTENT_TYPE, b"")
        if content_type.startswith(MEDIA_TYPE.encode()):
            return False
        return content_type.startswith(b"text/plain") or self._scope["path"] == "/predict"


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when the client has gone."""
    content: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if len(content) > MAX_BODY_BYTES:
            msg = f"The body must not exceed {MAX_BODY_BYTES} bytes; send fewer bars."
            raise Problem(413, "body-too-large", msg, limit_bytes=MAX_BODY_BYTES)
        if not message.get("more_body", False):
            return content


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what the client does next."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _translate(status: int, content: bytes, scope: Scope) -> Problem:
    """Return the problem that stands for an error of BentoML or Starlette."""
    found = _parse(content)
    if isinstance(found, dict) and isinstance(found.get("detail"), list):
        return invalid_request(found["detail"])
    if status == HTTPStatus.NOT_FOUND:
        return Problem(404, "no-such-route", f"There is no {scope['path'][:80]}; see /docs.json.")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return Problem(405, "method-not-allowed", f"{scope['method']} is not for this route.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE:
        return Problem(500, "internal-error", "The server failed; its log holds the cause.")
    phrase = HTTPStatus(status).phrase.lower().replace(" ", "-")
    detail = found if isinstance(found, str) else content.decode(errors="replace")
    return Problem(status, phrase, detail[:500].strip())


def _parse(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
