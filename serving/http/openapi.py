"""The REST routes in BentoML's OpenAPI document, which knows only the typed route by itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from forecasting.horizons import LABELS
from serving.http.problems import MEDIA_TYPE
from serving.http.schemas import DEFAULT_HORIZON, Comparison, CurrentPrice, Forecast

_TAG = "REST"
_REF = "#/components/schemas/{model}"


class ProblemBody(BaseModel):
    """An error: RFC 9457, with `errors` by field where the request is at fault."""

    type: str = Field(description="Stable name of the kind of error: urn:stockcast:problem:...")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and the way out.")


def with_rest_routes(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the REST routes and their schemas added."""
    ticker = _parameter("ticker", "path", {"type": "string"}, required=True)
    labels = {"type": "string", "enum": list(LABELS), "default": DEFAULT_HORIZON}
    horizon = _parameter("horizon", "query", labels, required=False)
    paths = {
        "/predict/{ticker}": _get("Forecast of a known ticker", Forecast, ticker, horizon),
        "/models/compare/{ticker}": _get("Champion beside challenger", Comparison, ticker),
        "/quote/{ticker}": _get("Current price of a followed ticker", CurrentPrice, ticker),
        "/models/status": _get("What is live, and what was refused", None),
        "/health": _get("Whether forecasts are answered, and every trouble", None),
    }
    components = dict(document["components"])
    ours = _schemas(Forecast, Comparison, CurrentPrice, ProblemBody)
    components["schemas"] = {**components["schemas"], **ours}
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


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template=_REF, mode="serialization")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    return schemas
