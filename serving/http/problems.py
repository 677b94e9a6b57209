"""Errors as answers: `application/problem+json` (RFC 9457) with a stable type for each kind.

Which status and which words an error gets belongs here; finding the error does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
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
RUN_THE_PIPELINE = "Run `stockcast run`, or materialise the assets in Dagster."
_URN = "urn:stockcast:problem:"
_MAX_ERRORS = 20
_RETRY_SECONDS = 5
# Sooner, the answer would be the same: see `serving.quotes`.
_PROVIDER_SECONDS = 60


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """An error that the caller shall see, with everything its answer needs.

    `retry_seconds` is when to ask again, told where the status is 503.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        retry_seconds: float = _RETRY_SECONDS,
        **extra: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_seconds = retry_seconds
        self.extra = extra

    def body(self) -> bytes:
        """Return the answer's JSON."""
        return orjson.dumps(
            {
                "type": _URN + self.kind,
                "title": self.kind.replace("-", " ").capitalize(),
                "status": self.status,
                "detail": self.detail,
                **self.extra,
            }
        )

    def response(self) -> Response:
        """Return the whole answer."""
        headers = {}
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(ceil(self.retry_seconds))
        return Response(self.body(), self.status, headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """Return the problem that stands for an error; a surprise says nothing of its inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, UnknownTickerError):
        return Problem(404, "unknown-ticker", str(error), near=list(error.near))
    if isinstance(error, TickerError):
        return Problem(422, "invalid-request", str(error), errors=[_field("ticker", str(error))])
    if isinstance(error, BarsError | NotEnoughHistoryError | ForecastError):
        return Problem(422, "invalid-request", str(error))
    if isinstance(error, StockcastError):
        return _not_available(error)
    return Problem(500, "internal-error", "The server failed; its log holds the cause.")


def _not_available(error: StockcastError) -> Problem:
    if isinstance(error, QuotaError):
        seconds = seconds_until(error.renews_at)
        extra = {"renews_at": error.renews_at}
        return Problem(503, "quota-spent", str(error), retry_seconds=seconds, **extra)
    if isinstance(error, ProviderDownError):
        return Problem(503, "provider-down", str(error), retry_seconds=_PROVIDER_SECONDS)
    return Problem(503, "not-available", str(error))


def invalid_request(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """Return the problem for what pydantic found: every wrong field by name."""
    found = list(errors)
    if any(error["type"] == "json_invalid" for error in found):
        return Problem(400, "malformed-json", f"The body must be JSON: {found[0]['msg']}.")
    listed = [_field(_path(e["loc"]), _sentence(str(e["msg"]))) for e in found[:_MAX_ERRORS]]
    detail = " ".join(f"`{e['field']}`: {e['message']}" for e in listed[:3])
    return Problem(422, "invalid-request", detail, errors=listed, error_count=len(found))


def seconds_until(instant: datetime) -> float:
    """Return how long it is until then, a second at least."""
    return max(1.0, (instant - datetime.now(UTC)).total_seconds())


def _field(name: str, message: str) -> dict[str, str]:
    return {"field": name, "message": message}


def _path(location: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in location) or "body"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".") + "."
