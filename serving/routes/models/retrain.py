"""POST /models/retrain and POST /model/retrain/{ticker}: start the training in Dagster."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from core.settings import variable_name
from serving.http.operations import ADMINISTRATION, TICKER, ApiRoute, Operation
from serving.http.problems import Problem
from serving.http.schemas.models import StartedRun
from serving.observability.events import log_event
from serving.protection.access import caller_of, require_scope
from serving.routes.common import path_ticker, read_query, respond
from serving.state import state_of

JOB = "training_job"
STARTED_BY_TAG, TICKER_TAG = "stockcast/started_by", "stockcast/ticker"


@require_scope("admin")
async def retrain_models(request: Request) -> Response:
    """Start a training run."""
    return await _start(request, None)


@require_scope("admin")
async def retrain_for_ticker(request: Request) -> Response:
    """Start a training run at the request of one ticker, which must have bars."""
    ticker = path_ticker(request)
    table = state_of(request).live.require().table
    if ticker not in table.without_forecast:
        table.row(ticker)
    return await _start(request, ticker)


async def _start(request: Request, ticker: str | None) -> Response:
    read_query(request)
    dagster = state_of(request).dagster
    if dagster is None:
        msg = f"Set {variable_name('dagster_url')} to the address of Dagster's web server."
        raise Problem(HTTPStatus.CONFLICT, "dagster-not-configured", msg)
    caller = caller_of(request.scope)
    tags = {STARTED_BY_TAG: caller.id if caller else "unknown"}
    if ticker is not None:
        tags[TICKER_TAG] = ticker
    run = await dagster.launch(JOB, tags)
    log_event("retraining_started", run=run.run_id, ticker=ticker or "all")
    body = StartedRun(job=JOB, run_id=run.run_id, status=run.status, url=run.url, ticker=ticker)
    return respond(body, HTTPStatus.ACCEPTED)


_DESCRIPTION = (
    "Needs a key with the scope `admin`, and the setting `STOCKCAST_DAGSTER_URL`. The run trains,"
    " evaluates and registers a version, and promotes it if it passes the gates."
)
ROUTES = (
    ApiRoute(
        "/models/retrain",
        retrain_models,
        Operation(
            "Start a training run",
            ADMINISTRATION,
            StartedRun,
            problems=(409, 502, 503),
            description=_DESCRIPTION,
            status=202,
        ),
        method="POST",
    ),
    ApiRoute(
        "/model/retrain/{ticker}",
        retrain_for_ticker,
        Operation(
            "Start a training run at the request of a ticker",
            ADMINISTRATION,
            StartedRun,
            problems=(404, 409, 502, 503),
            parameters=(TICKER,),
            description=f"{_DESCRIPTION} One model serves all tickers, so it is trained on all of"
            " them; the ticker is a tag of the run.",
            status=202,
        ),
        method="POST",
    ),
)
