"""GET /history/{ticker}: past forecasts against their outcomes."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from forecasting.forecast_history import SESSIONS
from serving.forecasts.accuracy import describe_past, measure_accuracy
from serving.forecasts.responses import horizon_label
from serving.http.operations import (
    FORECASTS,
    HORIZON,
    TICKER,
    ApiRoute,
    Operation,
    query,
)
from serving.http.schemas.history import History
from serving.routes.common import path_ticker, read_count, read_horizon, read_query, respond
from serving.state import state_of

DEFAULT_DAYS = 30


async def get_history(request: Request) -> Response:
    """Return the newest past forecasts of a ticker, and the accuracy of all."""
    fields = read_query(request, "horizon", "days")
    horizon, days = read_horizon(fields), read_count(fields, "days", DEFAULT_DAYS, SESSIONS)
    ticker, state = path_ticker(request), state_of(request)
    table = state.live.require().table
    if ticker not in table.without_forecast:
        table.row(ticker)
    rows = await asyncio.to_thread(state.history.read, table.model, ticker, horizon)
    history = History(
        ticker=ticker,
        horizon=horizon_label(horizon),
        source=state.history.source,
        model=table.model.info,
        accuracy=measure_accuracy(rows),
        forecasts=[describe_past(row) for row in rows.tail(days).to_dicts()],
    )
    return respond(history)


ROUTES = (
    ApiRoute(
        "/history/{ticker}",
        get_history,
        Operation(
            "Past forecasts of a ticker against their outcomes",
            FORECASTS,
            History,
            problems=(404, 409, 503),
            parameters=(
                TICKER,
                HORIZON,
                query(
                    "days",
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": SESSIONS,
                        "default": DEFAULT_DAYS,
                    },
                    "Number of sessions, the newest with a known outcome.",
                ),
            ),
        ),
    ),
)
