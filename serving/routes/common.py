"""Validation of query parameters."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from starlette.requests import Request

from forecasting.horizons import LABELS
from serving.http.problems import Problem
from serving.http.schemas import DEFAULT_HORIZON


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


def invalid_parameter(field: str, message: str, allowed: Iterable[str]) -> Problem:
    """Return the problem for a query parameter, with the allowed values."""
    values = list(allowed)
    errors = [{"field": field, "message": message, "allowed": values}]
    return Problem(422, "invalid-request", f"`{field}` {message}", errors=errors)
