"""Validation of query parameters and bodies."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from forecasting.horizons import LABELS
from serving.http.problems import Problem, invalid_request
from serving.http.schemas import DEFAULT_HORIZON

JSON = "application/json"
Body = TypeVar("Body", bound=BaseModel)


def read_horizon(request: Request) -> int:
    """Return the query parameter `horizon` in sessions."""
    check_query(request, allowed=("horizon",))
    label = request.query_params.get("horizon", DEFAULT_HORIZON)
    if label not in LABELS:
        message = f"must be one of {', '.join(LABELS)}, got {label[:40]!r}."
        raise invalid_parameter(field="horizon", message=message, allowed=LABELS)
    return LABELS[label]


def check_query(request: Request, *, allowed: tuple[str, ...]) -> None:
    """Reject unknown and repeated parameters, since an ignored one is probably misspelt."""
    for name in request.query_params:
        if name not in allowed:
            similar = get_close_matches(name, allowed, n=1)
            hint = f"; did you mean `{similar[0]}`?" if similar else "."
            message = f"is not a parameter of this route{hint}"
            raise invalid_parameter(name[:40], message, allowed)
        if len(request.query_params.getlist(name)) > 1:
            message = "must be given only once."
            raise invalid_parameter(name, message, allowed)


async def read_body(request: Request, model: type[Body]) -> Body:
    """Return the JSON body of a request; reject other content types and query parameters."""
    for name in request.query_params:
        message = "is not a query parameter of this route; send it as a field of the JSON body."
        raise invalid_parameter(name[:40], message, ())
    content_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type != JSON:
        msg = f"The content type of the body must be {JSON}, got {content_type[:40]!r}."
        raise Problem(415, "unsupported-media-type", msg)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        listed = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid_request(listed) from None


def invalid_parameter(field: str, message: str, allowed: Iterable[str]) -> Problem:
    """Return the problem for a query parameter, with the allowed values."""
    values = list(allowed)
    errors = [{"field": field, "message": message, "allowed": values}]
    return Problem(422, "invalid-request", f"`{field}` {message}", errors=errors)
