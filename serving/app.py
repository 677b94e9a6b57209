"""The REST routes as one Starlette app, which the BentoML service mounts."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import StockcastError
from serving.http.problems import Problem, problem_of
from serving.routes.compare import compare_models
from serving.routes.health import get_health
from serving.routes.predict import get_prediction
from serving.routes.quote import get_quote
from serving.routes.status import get_status
from serving.state import ServiceState


def build_app(office: ServiceState) -> Starlette:
    """Return the app; it answers from what `office` holds at each request."""
    app = Starlette(
        routes=[
            Route("/predict/{ticker}", get_prediction),
            Route("/quote/{ticker}", get_quote),
            Route("/models/status", get_status),
            Route("/models/compare/{ticker}", compare_models),
            Route("/health", get_health),
        ],
        exception_handlers={Problem: _answer_problem, StockcastError: _answer_problem},
    )
    app.state.office = office
    return app


async def _answer_problem(_: Request, error: Exception) -> Response:
    return problem_of(error).response()
