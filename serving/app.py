"""Starlette app with the REST routes.

The service sets `app.state.service` to a complete `serving.state.ServiceState` during start-up.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from core.errors import StockcastError
from serving.http.operations import Handler
from serving.http.problems import PROBLEM, Problem, problem_of
from serving.routes.forecasts import batch, events, history, predict
from serving.routes.market import analysis, quote, universe
from serving.routes.models import compare, retrain, status, ticker_status, versions
from serving.routes.operation import health, performance, service_status
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
    handlers: dict[str, dict[str, Handler]] = {}
    for route in API_ROUTES:
        for path in route.paths:
            handlers.setdefault(path, {})[route.method] = route.handler
    return Starlette(
        routes=[
            *PAGES,
            WebSocketRoute("/ws/forecasts", events.follow_forecasts),
            *(Route(path, _by_method(by), methods=[*by]) for path, by in handlers.items()),
        ],
        exception_handlers={Problem: _send_problem, StockcastError: _send_problem},
    )


def _by_method(handlers: dict[str, Handler]) -> Handler:
    """Return the handler of a path; with one route for each path, `Allow` names all methods."""
    if len(handlers) == 1:
        return next(iter(handlers.values()))

    async def handle(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return handle


async def _send_problem(request: Request, error: Exception) -> Response:
    problem = request.scope[PROBLEM] = problem_of(error)
    return problem.response(state_of(request).clock.now())
