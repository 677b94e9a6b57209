"""OpenAPI: add the REST routes to the document of BentoML, which lists typed routes only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from forecasting.horizons import LABELS
from serving.http.problems import MEDIA_TYPE
from serving.http.schemas import DEFAULT_HORIZON, Comparison, CurrentPrice, Forecast

_TAG = "REST"
_REF = "#/components/schemas/{model}"


class ProblemBody(BaseModel):
    """Error body of RFC 9457. An invalid request has `errors` with one entry for each field."""

    type: str = Field(description="Stable name of the error kind: urn:stockcast:problem:...")
    title: str
    status: int
    detail: str = Field(description="The cause and the remedy.")


def with_rest_routes(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the REST routes and their schemas added."""
    ticker = _parameter("ticker", "path", {"type": "string"}, required=True)
    horizon_schema = {"type": "string", "enum": list(LABELS), "default": DEFAULT_HORIZON}
    horizon = _parameter("horizon", "query", horizon_schema, required=False)
    paths = {
        "/predict/{ticker}": _get(
            "Forecast of a ticker in the published snapshot", Forecast, ticker, horizon
        ),
        "/models/compare/{ticker}": _get(
            "Forecasts of champion and challenger", Comparison, ticker
        ),
        "/quote/{ticker}": _get(
            "Current price of a ticker in the published snapshot", CurrentPrice, ticker
        ),
        "/models/status": _get("Live model, snapshot and refused versions", None),
        "/health": _get("Health status and health issues", None),
    }
    components = dict(document["components"])
    schemas = _schemas(Forecast, Comparison, CurrentPrice, ProblemBody)
    components["schemas"] = {**components["schemas"], **schemas}
    return {**document, "paths": {**document["paths"], **paths}, "components": components}


def _get(
    summary: str, model: type[BaseModel] | None, *parameters: dict[str, Any]
) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model.__name__)} if model else {"type": "object"}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=ProblemBody.__name__)}}}
    return {
        "get": {
            "tags": [_TAG],
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {
                    "description": summary,
                    "content": {"application/json": {"schema": schema}},
                },
                "default": {"description": "A problem", "content": problem},
            },
        }
    }


def _parameter(
    name: str, location: str, schema: dict[str, Any], *, required: bool
) -> dict[str, Any]:
    return {"name": name, "in": location, "required": required, "schema": schema}


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template=_REF, mode="serialization")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    return schemas
