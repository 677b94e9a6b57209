"""Outermost ASGI app: sends precomputed responses, and passes all other requests to BentoML.

The middleware of BentoML costs more than the lookup of a forecast. The fast path therefore sends a
precomputed response itself, with two messages and one counter. BentoML labels its metrics with
`scope["path"]`, so for all other requests this module replaces the path by the pattern of its
route, which bounds the number of labels. `serving.asgi.error_boundary` restores the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from starlette.datastructures import State
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.asgi.error_boundary import REAL_PATH
from serving.state import ServiceState

UNKNOWN_PATH = "/unknown"


class FastPath:
    """ASGI app around the app of BentoML.

    Parameters
    ----------
    app_state
        State of the mounted Starlette app. The service sets its `service` attribute during
        start-up, before the first request.
    """

    def __init__(self, app: ASGIApp, app_state: State) -> None:
        self._app = app
        self._app_state = app_state
        self._routes: Iterable[BaseRoute] = getattr(app, "routes", ())

    @cached_property
    def _state(self) -> ServiceState:
        # Cached, because `State` resolves its attributes in Python code.
        state: ServiceState = self._app_state.service
        return state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the lifespan of the app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET":
            state = self._state
            response = state.live.responses.get((scope["path"], scope["query_string"]))
            if response is not None:
                await send(response.start)
                await send(response.body)
                state.metrics.count_forecast("fast_path", response.horizon)
                return
        pattern = find_pattern(self._routes, scope) or UNKNOWN_PATH
        await self._app({**scope, "path": pattern, REAL_PATH: scope["path"]}, receive, send)


def find_pattern(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    """Return the pattern of the matching route, such as ``/predict/{ticker}``."""
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Route):
            return route.path
        if isinstance(route, Mount):
            pattern = find_pattern(route.routes, scope) or route.path
            if pattern:
                return pattern
    return None
