"""The outermost ASGI callable: ready answers leave from here, everything else goes to BentoML.

BentoML's middleware costs more than a whole look-up. So an address whose answer is ready is
answered with two messages and one counter. Everything else passes on, with one change: BentoML
labels its metrics with the path, and callers choose tickers; it sees the route's pattern instead,
and `serving.asgi.error_boundary` puts the real path back behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.asgi.error_boundary import REAL_PATH
from serving.state import ServiceState

UNKNOWN_PATH = "/unknown"


class FastPath:
    """Answers what is ready, and passes on what is not."""

    def __init__(self, app: ASGIApp, office: ServiceState) -> None:
        self._app = app
        self._desk = office.desk
        self._office = office
        self._routes: Iterable[BaseRoute] = getattr(app, "routes", ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and stop."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET":
            answer = self._desk.ready.get((scope["path"], scope["query_string"]))
            if answer is not None:
                await send(answer.start)
                await send(answer.body)
                self._office.count("ready", answer.horizon)
                return
        pattern = find_pattern(self._routes, scope) or UNKNOWN_PATH
        await self._app({**scope, "path": pattern, REAL_PATH: scope["path"]}, receive, send)


def find_pattern(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    """Return the pattern of the route that a path belongs to, such as ``/predict/{ticker}``."""
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Route):
            return route.path
        if isinstance(route, Mount):
            found = find_pattern(route.routes, scope) or route.path
            if found:
                return found
    return None
