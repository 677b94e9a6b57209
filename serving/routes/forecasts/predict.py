"""GET /predict/{ticker}, GET /predict?ticker=..., and POST /predict."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from core.tickers import check_ticker
from forecasting.horizons import LABEL_OF, LABELS
from serving.forecasts.caller_bars import forecast_from_bars
from serving.http.operations import (
    FORECASTS,
    HORIZON,
    TICKER,
    ApiRoute,
    Operation,
    listed,
    query,
)
from serving.http.problems import Problem
from serving.http.schemas.forecast import Forecast
from serving.http.schemas.parameters import TICKER_SCHEMA, Inclusion
from serving.http.schemas.requests import PredictRequest
from serving.routes.common import (
    JSON,
    path_ticker,
    read_body,
    read_flag,
    read_horizon,
    read_list,
    read_query,
    respond,
)
from serving.routes.models.versions import VERSION, parse_version
from serving.state import ServiceState, state_of

_OPTIONS = ("horizon", "include", "include_reasoning", "version")


async def get_prediction(request: Request) -> Response:
    """Return the forecast of the ticker in the path."""
    fields = read_query(request, *_OPTIONS)
    return await _respond(request, path_ticker(request), fields)


async def get_prediction_by_query(request: Request) -> Response:
    """Return the forecast of the ticker in the query."""
    fields = read_query(request, "ticker", *_OPTIONS)
    if "ticker" not in fields:
        msg = "`ticker` is missing; send it as /predict/AAPL or /predict?ticker=AAPL."
        errors = [{"field": "ticker", "message": "is missing."}]
        raise Problem(422, "invalid-request", msg, errors=errors)
    return await _respond(request, check_ticker(fields["ticker"]), fields)


async def post_prediction(request: Request) -> Response:
    """Return the forecast that the JSON body describes."""
    return await respond_to(state_of(request), await read_body(request, PredictRequest))


async def respond_to(state: ServiceState, body: PredictRequest) -> Response:
    """Return the forecast of a ticker in the published snapshot, or from the bars in `body`."""
    forecasts, horizon = state.live.require(), LABELS[body.horizon]
    if body.bars is None:
        return _published(state, body.ticker, horizon, "typed", explained=body.explained)
    compute = partial(
        forecast_from_bars,
        *(forecasts.table.model, body.ticker, horizon, body.bars, state.clock.now()),
        max_age_sessions=state.live.max_age_sessions,
        explained=body.explained,
    )
    content = await asyncio.to_thread(
        state.caller_forecasts.get,
        *(forecasts.table, body, lambda: compute().model_dump_json().encode()),
    )
    state.metrics.count_forecast("bars", body.horizon)
    return Response(content, media_type=JSON)


async def _respond(request: Request, ticker: str, fields: dict[str, str]) -> Response:
    state = state_of(request)
    horizon, included = read_horizon(fields), read_list(fields, "include", get_args(Inclusion))
    explained = read_flag(fields, "include_reasoning") or "explanation" in included
    version = parse_version(fields["version"]) if "version" in fields else None
    if version is None or version == state.live.version:
        return _published(state, ticker, horizon, "rest", explained=explained)
    table = await asyncio.to_thread(state.loaded.table, version)
    find = table.explained_forecast if explained else table.forecast
    response = respond(find(ticker, horizon))
    state.metrics.count_forecast("version", LABEL_OF[horizon])
    return response


def _published(
    state: ServiceState, ticker: str, horizon: int, route: str, *, explained: bool
) -> Response:
    """Return the forecast of a ticker in the published snapshot."""
    forecasts = state.live.require()
    if explained:
        response = respond(forecasts.table.explained_forecast(ticker, horizon))
    else:
        response = Response(forecasts.response(ticker, horizon).content, media_type=JSON)
    state.metrics.count_forecast(route, LABEL_OF[horizon])
    return response


_PROBLEMS = (404, 409, 503)
_SUMMARY = "Forecast of a ticker in the published snapshot"
_FIELDS = (
    HORIZON,
    listed(
        "include",
        get_args(Inclusion),
        "Parts of the response. `members` is always there; `explanation` adds the contributions to"
        " the width of the 80 % range.",
    ),
    query(
        "version",
        {name: value for name, value in VERSION["schema"].items() if name != "examples"},
        "A version that `/models/{version}/load` has loaded, instead of the champion.",
    ),
    query("include_reasoning", {"type": "boolean"}, "Synonym of `include=explanation`."),
)
ROUTES = (
    ApiRoute(
        "/predict/{ticker}",
        get_prediction,
        Operation(
            _SUMMARY,
            FORECASTS,
            Forecast,
            _PROBLEMS,
            (TICKER, *_FIELDS),
            description="With the `ETag` of an earlier response in `If-None-Match`, a forecast that"
            " has not changed is 304.",
            also={304: None},
        ),
    ),
    ApiRoute(
        "/predict",
        get_prediction_by_query,
        Operation(
            _SUMMARY,
            FORECASTS,
            Forecast,
            _PROBLEMS,
            (
                query("ticker", TICKER_SCHEMA, "Synonym: `symbol`.") | {"required": True},
                *_FIELDS,
            ),
        ),
    ),
    ApiRoute(
        "/predict",
        post_prediction,
        Operation(
            "Forecast of a ticker in the published snapshot, or from the bars of the caller",
            FORECASTS,
            Forecast,
            _PROBLEMS,
            body=PredictRequest,
        ),
        method="POST",
    ),
)
