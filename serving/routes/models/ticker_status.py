"""GET /model/status/{ticker}: the live model, seen from one ticker."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from core.errors import StockcastError
from serving.forecasts.accuracy import measure_accuracy
from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.responses import horizon_label
from serving.http.operations import MODELS, TICKER, ApiRoute, Operation
from serving.http.problems import Problem
from serving.http.schemas.history import Accuracy
from serving.http.schemas.models import TickerStatus
from serving.http.schemas.parameters import HorizonLabel
from serving.models.past_forecasts import WalkForwardHistory
from serving.routes.common import path_ticker, read_query, respond
from serving.state import state_of


async def get_ticker_status(request: Request) -> Response:
    """Return the live model with its accuracy for one ticker."""
    read_query(request)
    state, ticker = state_of(request), path_ticker(request)
    table = state.live.require().table
    row = table.row(ticker)
    accuracy, note = await asyncio.to_thread(_measure, state.history, table, ticker)
    body = TickerStatus(
        ticker=ticker,
        model=table.model.info,
        trained_on_ticker=ticker in table.model.bundle.manifest.tickers,
        as_of=row.as_of,
        data_age_sessions=table.row_age_sessions(row),
        accuracy=accuracy,
        accuracy_note=note,
    )
    return respond(body)


def _measure(
    history: WalkForwardHistory, table: ForecastTable, ticker: str
) -> tuple[dict[HorizonLabel, Accuracy], str | None]:
    """Return the accuracy by horizon, or the reason why there is none."""
    model = table.model
    try:
        return {
            horizon_label(horizon): measure_accuracy(history.read(model, ticker, horizon))
            for horizon in model.bundle.manifest.horizons
        }, None
    except (Problem, StockcastError) as error:
        return {}, str(error)


ROUTES = (
    ApiRoute(
        "/model/status/{ticker}",
        get_ticker_status,
        Operation(
            "Live model, and its accuracy for one ticker",
            MODELS,
            TickerStatus,
            problems=(404, 409, 503),
            parameters=(TICKER,),
        ),
    ),
)
