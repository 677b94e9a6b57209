"""GET /predict/{ticker}?horizon=1d|1w|1m, and what the typed POST /predict does."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from core.clock import utc_now
from core.tickers import check_ticker
from forecasting.horizons import LABELS
from serving.forecasts.caller_bars import forecast_from_bars
from serving.http.schemas import PredictRequest
from serving.routes.common import read_horizon
from serving.state import ServiceState, state_of

JSON = "application/json"


async def get_prediction(request: Request) -> Response:
    """Answer with the forecast of a known ticker."""
    office = state_of(request)
    ticker = check_ticker(request.path_params["ticker"])
    horizon = read_horizon(request)
    answer = office.desk.require().answer(ticker, horizon)
    office.count("rest", answer.horizon)
    return Response(answer.content, media_type=JSON)


async def post_prediction(office: ServiceState, asked: PredictRequest) -> Response:
    """Answer with the forecast of a known ticker, or from the caller's own bars."""
    live, horizon = office.desk.require(), LABELS[asked.horizon]
    if asked.bars is None:
        answer = live.answer(asked.ticker, horizon)
        office.count("typed", asked.horizon)
        return Response(answer.content, media_type=JSON)
    forecast = await asyncio.to_thread(
        forecast_from_bars, live.book.model, asked.ticker, horizon, asked.bars, utc_now()
    )
    office.count("bars", asked.horizon)
    return Response(forecast.model_dump_json(), media_type=JSON)
