"""GET /models/compare/{ticker}: forecasts and scores of champion and challenger."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from core.errors import StockcastError
from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.responses import (
    build_members,
    build_prediction,
    horizon_label,
    round_float32,
)
from serving.http.operations import MODELS, TICKER, ApiRoute, Operation
from serving.http.problems import Problem
from serving.http.schemas.comparison import ComparedHorizon, ComparedModel, Comparison
from serving.live.challenger import ChallengerForecasts
from serving.routes.common import path_ticker, read_query, respond
from serving.state import state_of


async def compare_models(request: Request) -> Response:
    """Return the forecasts of both models for every horizon."""
    state = state_of(request)
    read_query(request)
    ticker = path_ticker(request)
    table = state.live.require().table
    champion = _compare_model(table, ticker)
    challenger_forecasts = await asyncio.to_thread(state.challenger.get)
    challenger, note = _compare_challenger(challenger_forecasts, ticker)
    comparison = Comparison(
        ticker=ticker,
        current_price=round_float32(table.row(ticker).close),
        champion=champion,
        challenger=challenger,
        challenger_note=note,
    )
    return respond(comparison)


def _compare_challenger(
    forecasts: ChallengerForecasts, ticker: str
) -> tuple[ComparedModel | None, str | None]:
    """Return the challenger's forecasts, or a note on why there are none."""
    if forecasts.table is None:
        return None, forecasts.note
    try:
        return _compare_model(forecasts.table, ticker), None
    except (Problem, StockcastError) as error:
        return None, str(error)


def _compare_model(table: ForecastTable, ticker: str) -> ComparedModel:
    bundle, row = table.model.bundle, table.row(ticker)
    freshness = table.freshness(row)
    return ComparedModel(
        model=table.model.info,
        as_of=row.as_of,
        horizons={
            horizon_label(h): ComparedHorizon(
                target_session=row.targets[h],
                prediction=build_prediction(bundle, row, h, freshness),
                members=build_members(bundle, row, h),
            )
            for h in bundle.manifest.horizons
        },
        metrics=bundle.manifest.metrics,
    )


ROUTES = (
    ApiRoute(
        "/models/compare/{ticker}",
        compare_models,
        Operation(
            "Forecasts of champion and challenger",
            MODELS,
            Comparison,
            problems=(404, 409, 503),
            parameters=(TICKER,),
        ),
    ),
)
