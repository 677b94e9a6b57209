"""Validation of query parameters and bodies, and JSON responses."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from core.tickers import check_ticker
from forecasting.horizons import LABELS
from serving.http.problems import Problem, invalid_request
from serving.http.schemas.parameters import DEFAULT_HORIZON, SYNONYMS

JSON = "application/json"
Body = TypeVar("Body", bound=BaseModel)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def read_query(request: HTTPConnection, *allowed: str) -> dict[str, str]:
    """Return the query parameters under their own names instead of their synonyms.

    Unknown and repeated parameters are rejected, since an ignored one is probably misspelt.
    """
    values: dict[str, str] = {}
    for given, value in request.query_params.multi_items():
        name = SYNONYMS.get(given, given)
        if name not in allowed:
            similar = get_close_matches(given, allowed, n=1)
            hint = f"; did you mean `{similar[0]}`?" if similar else "."
            message = f"is not a parameter of this route{hint}"
            raise invalid_parameter(given[:40], message, allowed)
        if name in values:
            raise invalid_parameter(name, "must be given only once.", allowed)
        values[name] = value
    return values


async def read_body(request: Request, model: type[Body], *allowed: str) -> Body:
    """Return the JSON body of a request; reject other content types and query parameters.

    `allowed` names the query parameters of the route.
    """
    for name in request.query_params:
        if name not in allowed:
            message = "is not a query parameter of this route; send it as a field of the JSON body."
            raise invalid_parameter(name[:40], message, allowed)
    content_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type != JSON:
        msg = f"The content type of the body must be {JSON}, got {content_type[:40]!r}."
        raise Problem(415, "unsupported-media-type", msg)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        listed = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid_request(listed) from None


def path_ticker(request: Request) -> str:
    """Return the ticker in the path, in its one spelling."""
    return check_ticker(request.path_params["ticker"])


def read_horizon(query: dict[str, str]) -> int:
    """Return the parameter `horizon` in sessions."""
    label = query.get("horizon", DEFAULT_HORIZON)
    if label not in LABELS:
        message = f"must be one of {', '.join(LABELS)}, got {label[:40]!r}."
        raise invalid_parameter(field="horizon", message=message, allowed=LABELS)
    return LABELS[label]


def read_flag(query: dict[str, str], name: str) -> bool:
    """Return a parameter that is true or false; false by default."""
    text = query.get(name, "false").lower()
    if text not in _FLAGS:
        message = f"must be true or false, got {text[:40]!r}."
        raise invalid_parameter(name, message, ("true", "false"))
    return _FLAGS[text]


def read_list(query: dict[str, str], name: str, choices: Iterable[str]) -> set[str]:
    """Return the entries of a parameter that lists some of `choices`, separated by commas."""
    allowed = list(choices)
    entries = {entry for entry in query.get(name, "").split(",") if entry}
    for entry in sorted(entries - {*allowed}):
        message = f"must list {', '.join(allowed)}, got {entry[:40]!r}."
        raise invalid_parameter(name, message, allowed)
    return entries


def read_count(query: dict[str, str], name: str, default: int, limit: int) -> int:
    """Return a parameter that is an integer from 1 to `limit`."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(limit))):
        raise _out_of_range(name, text, limit)
    if not 1 <= int(text) <= limit:
        raise _out_of_range(name, text, limit)
    return int(text)


def invalid_parameter(field: str, message: str, allowed: Iterable[str]) -> Problem:
    """Return the problem for a query parameter, with the allowed values."""
    errors = [{"field": field, "message": message, "allowed": list(allowed)}]
    return Problem(422, "invalid-request", f"`{field}` {message}", errors=errors)


def respond(body: BaseModel, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(body.model_dump_json(), status, media_type=JSON)


def _out_of_range(name: str, text: str, limit: int) -> Problem:
    message = f"must be an integer from 1 to {limit}, got {text[:40]!r}."
    return invalid_parameter(name, message, ("1", str(limit)))
