"""GET /predict/{ticker}?horizon=1d|1w|1m, and POST /predict."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from core.tickers import check_ticker
from forecasting.horizons import LABELS
from serving.forecasts.caller_bars import forecast_from_bars
from serving.http.schemas import PredictRequest
from serving.routes.common import JSON, read_body, read_horizon
from serving.state import ServiceState, state_of


async def get_prediction(request: Request) -> Response:
    """Return the forecast of a ticker in the published snapshot."""
    state = state_of(request)
    ticker = check_ticker(request.path_params["ticker"])
    horizon = read_horizon(request)
    response = state.live.require().response(ticker, horizon)
    state.metrics.count_forecast("rest", response.horizon)
    return Response(response.content, media_type=JSON)


async def post_prediction(request: Request) -> Response:
    """Return the forecast that the JSON body describes."""
    return await respond_to(state_of(request), await read_body(request, PredictRequest))


async def respond_to(state: ServiceState, body: PredictRequest) -> Response:
    """Return the forecast of a ticker in the published snapshot, or from the bars in `body`."""
    forecasts, horizon = state.live.require(), LABELS[body.horizon]
    if body.bars is None:
        response = forecasts.response(body.ticker, horizon)
        state.metrics.count_forecast("typed", body.horizon)
        return Response(response.content, media_type=JSON)
    model, now = forecasts.table.model, state.clock.now()
    forecast = await asyncio.to_thread(
        forecast_from_bars,
        *(model, body.ticker, horizon, body.bars, now),
        max_age_sessions=state.live.max_age_sessions,
    )
    state.metrics.count_forecast("bars", body.horizon)
    return Response(forecast.model_dump_json(), media_type=JSON)
