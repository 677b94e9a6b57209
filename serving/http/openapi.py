"""OpenAPI document of all routes.

BentoML describes its own probes. The other operations are described here, with the status codes of
their problems.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, Field

from forecasting.horizons import LABELS
from serving.http.problems import MEDIA_TYPE
from serving.http.schemas import (
    DEFAULT_HORIZON,
    TICKER_SCHEMA,
    Comparison,
    CurrentPrice,
    Forecast,
    PredictRequest,
)

TITLE = "Stockcast"
_TAG = "Forecasts"
_REF = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "The body is not JSON",
    404: "The ticker is unknown; `similar` lists similar tickers",
    409: "The ticker has no forecast; `reason` is the cause",
    413: "The body is too large",
    415: "The content type of the body is not JSON",
    422: "A parameter, a field or a bar is invalid; `errors` lists each",
    500: "The server failed",
    501: "The selected providers have no current prices",
    503: "Not available at present; `Retry-After` is the time to wait in seconds",
}
_ANY_REQUEST = (413, 422, 500)


class ProblemBody(BaseModel):
    """Error body of RFC 9457. An invalid request has `errors` with one entry for each field."""

    type: str = Field(description="Stable name of the error kind: urn:stockcast:problem:...")
    title: str
    status: int
    detail: str = Field(description="The cause and the remedy.")


def describe_routes(document: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the document of BentoML with its probes, and with the routes of Stockcast."""
    ticker = _parameter("ticker", "path", TICKER_SCHEMA, required=True)
    horizon_schema = {"type": "string", "enum": list(LABELS), "default": DEFAULT_HORIZON}
    horizon = _parameter("horizon", "query", horizon_schema, required=False)
    snapshot = (404, 409, 503)
    get_forecast = _operation(
        "Forecast of a ticker in the published snapshot", Forecast, snapshot, ticker, horizon
    )
    compare = _operation("Forecasts of champion and challenger", Comparison, snapshot, ticker)
    get_quote = _operation(
        "Current price of a ticker in the published snapshot", CurrentPrice, (404, 501, 503), ticker
    )
    status = _operation("Live model, snapshot and refused versions", None, ())
    health = _operation("Health status and health issues", None, ())
    health["responses"]["503"] = _response("No forecasts are live", {"type": "object"})
    post = {"post": _post(document["paths"]["/predict"]["post"])}
    paths = {
        "/predict": post,
        "/predict/{ticker}": {"get": get_forecast},
        "/models/compare/{ticker}": {"get": compare},
        "/quote/{ticker}": {"get": get_quote},
        "/models/status": {"get": status},
        "/health": {"get": health},
    }
    probes = {path: item for path, item in document["paths"].items() if path not in paths}
    probes["/readyz"]["get"]["responses"]["503"] = {"description": "No forecasts are live"}
    return {
        "openapi": "3.1.0",
        "info": _info(description),
        "servers": document["servers"],
        "paths": paths | probes,
        "components": {"schemas": _schemas(Forecast, Comparison, CurrentPrice, ProblemBody)},
    }


def _info(description: str) -> dict[str, Any]:
    try:
        number = version("stockcast")
    except PackageNotFoundError:  # the code runs from a folder, as in a bento
        number = "unknown"
    contact = {"name": "Stockcast maintainers"}
    return {"title": TITLE, "version": number, "description": description, "contact": contact}


def _post(typed: dict[str, Any]) -> dict[str, Any]:
    """Return the operation of the typed route; BentoML omits its problems and constraints."""
    summary = "Forecast of a ticker in the published snapshot, or from the bars of the caller"
    operation = _operation(summary, Forecast, (400, 404, 409, 415, 503))
    schema = PredictRequest.model_json_schema(ref_template=_REF)
    schema.pop("$defs")
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation | {"description": typed["description"], "requestBody": body}


def _operation(
    summary: str,
    model: type[BaseModel] | None,
    problems: tuple[int, ...],
    *parameters: dict[str, Any],
) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model.__name__)} if model else {"type": "object"}
    problem = {"$ref": _REF.format(model=ProblemBody.__name__)}
    responses = {"200": _response(summary, schema)}
    for status in sorted({*problems, *_ANY_REQUEST}):
        responses[str(status)] = _response(_PROBLEMS[status], problem, MEDIA_TYPE)
    return {
        "tags": [_TAG],
        "summary": summary,
        "parameters": list(parameters),
        "responses": responses,
    }


def _response(
    description: str, schema: dict[str, Any], media_type: str = "application/json"
) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _parameter(
    name: str, location: str, schema: dict[str, Any], *, required: bool
) -> dict[str, Any]:
    return {"name": name, "in": location, "required": required, "schema": schema}


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    request = PredictRequest.model_json_schema(ref_template=_REF)
    schemas: dict[str, Any] = request["$defs"]
    for model in models:
        schema = model.model_json_schema(ref_template=_REF, mode="serialization")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    return schemas
