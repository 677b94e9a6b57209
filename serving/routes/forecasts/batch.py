"""POST /predict/batch and GET /jobs/{id}: forecasts of many tickers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from forecasting.horizons import LABELS
from serving.http.operations import FORECASTS, ApiRoute, Operation, in_path, query
from serving.http.schemas.batch import BatchForecasts, BatchRequest, Job
from serving.live.batch import join_forecasts
from serving.routes.common import JSON, read_body, read_flag, read_query
from serving.state import ServiceState, state_of


async def post_batch(request: Request) -> Response:
    """Return the forecasts of the tickers in the body, or the job that computes them."""
    body = await read_body(request, BatchRequest, "background")
    in_background = read_flag(read_query(request, "background"), "background")
    state = state_of(request)
    state.live.require()
    if not in_background:
        # It takes about 2 ms for 1,000 tickers, and a thread would add its own start.
        return Response(_forecast(state, body), media_type=JSON)
    job = state.jobs.start(lambda: _forecast(state, body))
    return Response(job.content(), 202, {"Location": f"/jobs/{job.id}"}, JSON)


async def get_job(request: Request) -> Response:
    """Return the state of a job, with its result when it is done."""
    read_query(request)
    job = state_of(request).jobs.get(request.path_params["job"])
    return Response(job.content(), media_type=JSON)


def _forecast(state: ServiceState, body: BatchRequest) -> bytes:
    batch = join_forecasts(state.live.require(), body.tickers, LABELS[body.horizon])
    for _ in range(batch.count):
        state.metrics.count_forecast("batch", body.horizon)
    return batch.content


ROUTES = (
    ApiRoute(
        "/predict/batch",
        post_batch,
        Operation(
            "Forecasts of up to 1,000 tickers of the published snapshot",
            FORECASTS,
            BatchForecasts,
            problems=(503,),
            parameters=(
                query(
                    "background",
                    {"type": "boolean"},
                    "Respond with 202 and a job, and compute the forecasts afterwards.",
                ),
            ),
            body=BatchRequest,
            description="A ticker without a forecast is listed in `problems` and does not affect"
            " the others.",
            also={202: Job},
        ),
        method="POST",
        synonyms=("/batch-predict",),
    ),
    ApiRoute(
        "/jobs/{job}",
        get_job,
        Operation(
            "State and result of a job",
            FORECASTS,
            Job,
            problems=(404,),
            parameters=(in_path("job", {"type": "string", "maxLength": 64}),),
        ),
    ),
)
