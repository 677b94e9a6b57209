"""GET /events (server-sent events) and WS /ws/forecasts: a message for each change.

A new client first receives the present state, and a client that resumes receives only what changed
since. A client that reads slowly skips to the newest state of each ticker. One that reads nothing
for `SEND_SECONDS` is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.errors import StockcastError
from core.tickers import check_ticker
from serving.http.operations import FORECASTS, ApiRoute, Operation, query
from serving.http.problems import Problem, problem_of
from serving.live.change_feed import ChangeFeed
from serving.live.change_stream import follow
from serving.observability.events import log_event
from serving.routes.common import invalid_parameter, read_query
from serving.state import ServiceState, state_of

SEND_SECONDS = 30.0
MAX_STREAMS = 1_000
MAX_TICKERS = 50
_RETRY_MS = 3_000
_TRY_AGAIN_LATER = 1013
_DESCRIPTION = (
    "Events are `version`, `forecasts` (all were computed again), `forecast` (a followed ticker),"
    " `quote` and `heartbeat`. `WS /ws/forecasts` takes the same parameters and sends the same"
    ' messages as `{"event", "id", "data"}`.'
)


@dataclass(frozen=True)
class _Subscription:
    tickers: Sequence[str]
    resume_after: int


async def stream_events(request: Request) -> Response:
    """Return the stream of server-sent events."""
    state = state_of(request)
    subscription = _read_subscription(request, state.live.changes)
    return _EventStream(
        _as_events(state, subscription), ping=0, send_timeout=SEND_SECONDS, sep="\n"
    )


async def follow_forecasts(websocket: WebSocket) -> None:
    """Send the messages over a WebSocket until either side ends it."""
    state = state_of(websocket)
    try:
        _check_origin(websocket)
        subscription = _read_subscription(websocket, state.live.changes)
    except (Problem, StockcastError) as error:
        await websocket.send_denial_response(problem_of(error).response(state.clock.now()))
        return
    await websocket.accept()
    sender = asyncio.create_task(_send_messages(websocket, state, subscription))
    reader = asyncio.create_task(_read_until_closed(websocket))
    try:
        await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sender, reader):
            task.cancel()
        await asyncio.gather(sender, reader, return_exceptions=True)


class _EventStream(EventSourceResponse):
    """Drops a client that does not read, which is no failure of the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _log_dropped(scope["path"])


async def _as_events(
    state: ServiceState, subscription: _Subscription
) -> AsyncIterator[ServerSentEvent]:
    stream = follow(state.live, subscription.tickers, subscription.resume_after)
    async with aclosing(stream) as messages:
        async for message in messages:
            yield ServerSentEvent(
                message.data.decode(), event=message.event, id=message.id, retry=_RETRY_MS
            )


async def _send_messages(
    websocket: WebSocket, state: ServiceState, subscription: _Subscription
) -> None:
    stream = follow(state.live, subscription.tickers, subscription.resume_after)
    try:
        async with aclosing(stream) as messages:
            async for message in messages:
                async with asyncio.timeout(SEND_SECONDS):
                    await websocket.send_text(message.as_json())
    except TimeoutError:
        _log_dropped(websocket.url.path)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await websocket.close(_TRY_AGAIN_LATER, "The client reads too slowly.")


async def _read_until_closed(websocket: WebSocket) -> None:
    """Ignore the messages of the client until it disconnects."""
    with suppress(WebSocketDisconnect):
        while (await websocket.receive())["type"] != "websocket.disconnect":
            continue


def _read_subscription(connection: HTTPConnection, feed: ChangeFeed) -> _Subscription:
    parameters = read_query(connection, "tickers", "last_event_id")
    if feed.readers >= MAX_STREAMS:
        msg = f"{MAX_STREAMS} clients follow the changes, which is the limit; retry later."
        raise Problem(503, "too-many-streams", msg)
    named = [part for part in parameters.get("tickers", "").split(",") if part.strip()]
    if len(named) > MAX_TICKERS:
        message = f"must name at most {MAX_TICKERS} tickers, got {len(named)}."
        raise invalid_parameter(field="tickers", message=message, allowed=())
    tickers = tuple(dict.fromkeys(check_ticker(part.strip()) for part in named))
    event_id = connection.headers.get("last-event-id") or parameters.get("last_event_id")
    return _Subscription(tickers, feed.resume_after(event_id))


def _check_origin(websocket: WebSocket) -> None:
    """Refuse pages of other hosts, because browsers apply no same-origin policy to WebSockets."""
    origin = websocket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != websocket.headers.get("host"):
        msg = "A page of another host must not follow the forecasts; use `GET /events`."
        raise Problem(403, "foreign-origin", msg)


def _log_dropped(path: str) -> None:
    log_event("stream_dropped", level=logging.WARNING, path=path, reason="reads too slowly")


ROUTES = (
    ApiRoute(
        "/events",
        stream_events,
        Operation(
            "Server-sent events: a message when a forecast, a quote or the version changes",
            FORECASTS,
            problems=(503,),
            parameters=(
                query(
                    "tickers",
                    {"type": "string", "examples": ["AAPL,MSFT"]},
                    f"Followed tickers, at most {MAX_TICKERS}. Each new forecast of them is sent.",
                ),
                query(
                    "last_event_id", {"type": "string"}, "Synonym of the `Last-Event-ID` header."
                ),
            ),
            description=_DESCRIPTION,
            media_type="text/event-stream",
        ),
    ),
)
