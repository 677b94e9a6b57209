"""Description of the operations of the HTTP API, next to the handlers of their routes.

`serving.routes` declares each route once; the app and the OpenAPI document are built from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.http.schemas.parameters import HORIZON_SCHEMA, TICKER_SCHEMA

Handler = Callable[[Request], Awaitable[Response]]
Parameter = dict[str, Any]

FORECASTS, MARKET, MODELS = "Forecasts", "Market", "Models"
ADMINISTRATION, OPERATION = "Administration", "Operation"


@dataclass(frozen=True)
class Operation:
    """Documentation of one route.

    Parameters
    ----------
    response
        Body of a successful response, a JSON object by default.
    problems
        Status codes of the problems of this route. Those of every route are added.
    status
        Status of a successful response.
    also
        Further status codes with a body that is not a problem, or with none.
    media_type
        Content type of a successful response.
    """

    summary: str
    tag: str
    response: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    description: str = ""
    status: int = 200
    also: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True)
class ApiRoute:
    """A path, its handler and its documentation. The synonyms are further paths."""

    path: str
    handler: Handler
    operation: Operation
    method: Literal["GET", "POST"] = "GET"
    synonyms: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths of the route."""
        return (self.path, *self.synonyms)


def query(name: str, schema: Mapping[str, Any], description: str) -> Parameter:
    """Describe an optional query parameter."""
    return _parameter(name, "query", schema) | {"description": description}


def listed(name: str, choices: Iterable[str], description: str) -> Parameter:
    """Describe an optional query parameter that lists choices, separated by commas."""
    entry = f"({'|'.join(choices)})"
    schema = {"type": "string", "pattern": f"^({entry}(,{entry})*)?$"}
    return query(name, schema, description)


def in_path(name: str, schema: Mapping[str, Any]) -> Parameter:
    """Describe a parameter of the path."""
    return _parameter(name, "path", schema) | {"required": True}


def _parameter(name: str, location: str, schema: Mapping[str, Any]) -> Parameter:
    return {"name": name, "in": location, "required": False, "schema": dict(schema)}


TICKER = in_path("ticker", TICKER_SCHEMA)
HORIZON = query("horizon", HORIZON_SCHEMA, "1, 5 or 21 sessions ahead. Synonym: `timeframe`.")
