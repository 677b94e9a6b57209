"""Starlette app with the REST routes.

The service sets `app.state.service` to a complete `serving.state.ServiceState` during start-up.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import StockcastError
from serving.http.problems import Problem, problem_of
from serving.routes.compare import compare_models
from serving.routes.health import get_health
from serving.routes.page import get_page
from serving.routes.predict import get_prediction, post_prediction
from serving.routes.quote import get_quote
from serving.routes.status import get_status
from serving.state import state_of


def build_app() -> Starlette:
    """Return the app with all REST routes."""
    return Starlette(
        routes=[
            Route("/", get_page),
            Route("/predict", post_prediction, methods=["POST"]),
            Route("/predict/{ticker}", get_prediction),
            Route("/quote/{ticker}", get_quote),
            Route("/models/status", get_status),
            Route("/models/compare/{ticker}", compare_models),
            Route("/health", get_health),
        ],
        exception_handlers={Problem: _send_problem, StockcastError: _send_problem},
    )


async def _send_problem(request: Request, error: Exception) -> Response:
    return problem_of(error).response(state_of(request).clock.now())
