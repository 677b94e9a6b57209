"""OpenAPI document of all routes, built from their operations.

BentoML describes its own probes; the other operations come from `serving.routes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from serving.http.operations import ADMINISTRATION, ApiRoute, Operation
from serving.http.package import package_version
from serving.http.prefix import PREFIX
from serving.http.problems import MEDIA_TYPE
from serving.http.schemas.problem import ProblemBody
from serving.http.schemas.requests import describe_synonyms

TITLE = "Stockcast"
_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_PROBLEMS = {
    400: "The body is not JSON",
    401: "The API key is missing or unknown",
    403: "The API key has no permission for this route",
    404: "The ticker or other resource is unknown; `similar` lists similar tickers",
    405: "The route does not support this method",
    409: "The resource is not in the needed state; `detail` has the cause",
    413: "The body is too large",
    415: "The content type of the body is not JSON",
    422: "A parameter, a field or a bar is invalid; `errors` lists each",
    429: "Too many requests; `Retry-After` is the time to wait in seconds",
    500: "The server failed",
    502: "Another service of the request failed",
    503: "Not available at present; `Retry-After` is the time to wait in seconds",
}
# Keys, limits and load concern every route; some routes document 503 with a body of their own.
_ANY_REQUEST = (401, 403, 413, 422, 429, 500, 503)
_BODY_REQUEST = (400, 415)
_SECURITY_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe_routes(
    document: dict[str, Any], description: str, routes: Iterable[ApiRoute]
) -> dict[str, Any]:
    """Return the document of BentoML with its probes, and with the routes of Stockcast."""
    models: dict[str, type[BaseModel]] = {}
    paths: dict[str, Any] = {}
    for route in routes:
        for path in route.paths:
            operation = _describe(route, path, models)
            paths.setdefault(path, {})[route.method.lower()] = operation
    probes = {path: item for path, item in document["paths"].items() if path not in paths}
    probes["/readyz"]["get"]["responses"]["503"] = {"description": "No forecasts are live"}
    return {
        "openapi": "3.1.0",
        "info": _info(description),
        "servers": [*document["servers"], {"url": f".{PREFIX}"}],
        "paths": paths | probes,
        "components": {
            "schemas": _schemas({"ProblemBody": ProblemBody} | models),
            "securitySchemes": _SECURITY_SCHEMES,
        },
        "security": [{}, *({name: []} for name in _SECURITY_SCHEMES)],
    }


def _info(description: str) -> dict[str, Any]:
    contact = {"name": "Stockcast maintainers"}
    return {
        "title": TITLE,
        "version": package_version(),
        "description": description,
        "contact": contact,
    }


def _describe(route: ApiRoute, path: str, models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Return one operation, and add its models to `models`."""
    operation = route.operation
    is_synonym = path != route.path
    described = {
        "operationId": route.handler.__name__ + (f"_{_words(path)}" if is_synonym else ""),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"Synonym of `{route.path}`." if is_synonym else operation.description,
        "parameters": list(operation.parameters),
        "responses": dict(_responses(operation, models)),
    }
    if operation.tag == ADMINISTRATION:
        described["security"] = [{name: []} for name in _SECURITY_SCHEMES]
    if operation.body is not None:
        schema = _ref(operation.body, models)
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    return described


def _words(path: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in path).split())


def _responses(
    operation: Operation, models: dict[str, type[BaseModel]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield status and response, the successful one first."""
    yield str(operation.status), _success(operation, models)
    for status, model in operation.also.items():
        phrase = HTTPStatus(status).phrase
        content = _response(phrase, _JSON, _ref(model, models)) if model else {}
        yield str(status), {"description": phrase} | content
    statuses = {*operation.problems, *_ANY_REQUEST}
    if operation.body is not None:
        statuses |= {*_BODY_REQUEST}
    problem = {"$ref": _REF.format(model=ProblemBody.__name__)}
    for status in sorted(statuses):
        response = _response(_PROBLEMS[status], MEDIA_TYPE, problem)
        if (other := operation.also.get(status)) is not None:
            response["content"][_JSON] = {"schema": _ref(other, models)}
        yield str(status), response


def _success(operation: Operation, models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    if operation.status == HTTPStatus.NO_CONTENT:
        return {"description": operation.summary}
    schema = _ref(operation.response, models) if operation.response else {"type": "object"}
    return _response(operation.summary, operation.media_type, schema)


def _response(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(model: type[BaseModel], models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    models[model.__name__] = model
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schemas of all models and of their parts."""
    schemas: dict[str, Any] = {}
    for name, model in models.items():
        is_request = name.endswith("Request")
        mode: Any = "validation" if is_request else "serialization"
        schema = model.model_json_schema(ref_template=_REF, mode=mode)
        if is_request:
            describe_synonyms(schema)
        schemas |= schema.pop("$defs", {}) | {name: schema}
    return schemas
