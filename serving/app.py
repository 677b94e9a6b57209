"""Starlette app with the REST routes.

The service sets `app.state.service` to a complete `serving.state.ServiceState` during start-up.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from core.errors import StockcastError
from serving.http.problems import PROBLEM, Problem, problem_of
from serving.routes import (
    analysis,
    batch,
    compare,
    events,
    health,
    history,
    performance,
    predict,
    quote,
    retrain,
    service_status,
    status,
    ticker_status,
    universe,
    versions,
)
from serving.routes.page import PAGES
from serving.state import state_of

API_ROUTES = (
    *batch.ROUTES,
    *predict.ROUTES,
    *universe.ROUTES,
    *quote.ROUTES,
    *analysis.ROUTES,
    *history.ROUTES,
    *status.ROUTES,
    *compare.ROUTES,
    *ticker_status.ROUTES,
    *versions.ROUTES,
    *retrain.ROUTES,
    *health.ROUTES,
    *service_status.ROUTES,
    *performance.ROUTES,
    *events.ROUTES,
)


def build_app() -> Starlette:
    """Return the app with all REST routes."""
    documented = [
        Route(path, route.handler, methods=[route.method])
        for route in API_ROUTES
        for path in route.paths
    ]
    return Starlette(
        routes=[
            *PAGES,
            WebSocketRoute("/ws/forecasts", events.follow_forecasts),
            *documented,
        ],
        exception_handlers={Problem: _send_problem, StockcastError: _send_problem},
    )


async def _send_problem(request: Request, error: Exception) -> Response:
    problem = request.scope[PROBLEM] = problem_of(error)
    return problem.response(state_of(request).clock.now())
