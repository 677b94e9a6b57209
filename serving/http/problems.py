"""Error responses: `application/problem+json` (RFC 9457) with a stable code for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from starlette.responses import Response

from core.errors import (
    BarsError,
    ForecastError,
    NotEnoughHistoryError,
    ProviderDownError,
    QuotaError,
    StockcastError,
    TickerError,
    UnknownTickerError,
)

MEDIA_TYPE = "application/problem+json"
# Key of the scope of a request: the problem that was its response.
PROBLEM = "stockcast.problem"
RUN_THE_PIPELINE = "Run `stockcast run`, or materialise the assets in Dagster."
_URN = "urn:stockcast:problem:"
_MAX_ERRORS = 20
_RETRY_SECONDS = 5
_RETRIED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# `serving.quotes` caches a failure for this long, so an earlier retry gets the same response.
_PROVIDER_RETRY_SECONDS = 60


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """An error with all data of its HTTP response.

    Parameters
    ----------
    retry_seconds
        Value of the `Retry-After` header; sent with status 429 and 503 only.
    retry_at
        Instant of the retry. It takes precedence over `retry_seconds`.
    extra
        Additional members of the response body.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        retry_seconds: float = _RETRY_SECONDS,
        retry_at: datetime | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_seconds = retry_seconds
        self.retry_at = retry_at
        self.extra = extra

    def members(self) -> dict[str, object]:
        """Return the members of the response body."""
        return {
            "type": _URN + self.kind,
            "code": self.kind,
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }

    def body(self) -> bytes:
        """Return the response body as JSON."""
        return orjson.dumps(self.members())

    def response(self, now: datetime) -> Response:
        """Return the response; `now` turns `retry_at` into seconds."""
        headers = {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status in _RETRIED:
            seconds = seconds_until(self.retry_at, now) if self.retry_at else self.retry_seconds
            headers["Retry-After"] = str(ceil(seconds))
        return Response(self.body(), self.status, headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """Convert an error to a problem. An unexpected error exposes no internal detail."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, UnknownTickerError):
        return Problem(404, "unknown-ticker", str(error), similar=list(error.similar))
    if isinstance(error, TickerError):
        errors = [_field_error("ticker", str(error))]
        return Problem(422, "invalid-request", str(error), errors=errors)
    if isinstance(error, BarsError | NotEnoughHistoryError | ForecastError):
        return Problem(422, "invalid-request", str(error))
    if isinstance(error, StockcastError):
        return _not_available(error)
    return internal_error()


def internal_error() -> Problem:
    """Return the problem for an unexpected error."""
    return Problem(500, "internal-error", "The server failed. See its log for the cause.")


def invalid_request(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """Return the problem for the validation errors of pydantic, with each invalid field."""
    found = list(errors)
    if any(error["type"] == "json_invalid" for error in found):
        return Problem(400, "malformed-json", f"The body must be JSON: {found[0]['msg']}.")
    listed = [_field_error(_path(e["loc"]), _sentence(str(e["msg"]))) for e in found[:_MAX_ERRORS]]
    detail = " ".join(f"`{e['field']}`: {e['message']}" for e in listed[:3])
    return Problem(422, "invalid-request", detail, errors=listed, error_count=len(found))


def seconds_until(instant: datetime, now: datetime) -> float:
    """Return the seconds from `now` to `instant`, at least 1."""
    return max(1.0, (instant - now).total_seconds())


def _not_available(error: StockcastError) -> Problem:
    if isinstance(error, QuotaError):
        renews_at = error.renews_at
        return Problem(503, "quota-exhausted", str(error), retry_at=renews_at, renews_at=renews_at)
    if isinstance(error, ProviderDownError):
        return Problem(503, "provider-down", str(error), retry_seconds=_PROVIDER_RETRY_SECONDS)
    return Problem(503, "not-available", str(error))


def _field_error(name: str, message: str) -> dict[str, str]:
    return {"field": name, "message": message}


def _path(location: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in location) or "body"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".") + "."
