"""Errors of the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Base class of the errors of the client."""


class ConnectionFailedError(ClientError):
    """The service could not be reached, or the connection was lost."""


class ApiError(ClientError):
    """The service responded with a problem.

    Attributes
    ----------
    status
        HTTP status.
    code
        Stable name of the problem, such as ``unknown-ticker``. Empty if the response has none.
    detail
        Cause and remedy.
    errors
        Invalid parameters and fields, for status 422.
    similar
        Similar tickers, for an unknown ticker.
    retry_after
        Seconds after which the request may succeed. None if the service does not say.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: Sequence[Mapping[str, Any]] = problem.get("errors") or ()
        self.similar: Sequence[str] = problem.get("similar") or ()
        self.retry_after = retry_after
        super().__init__(f"{status} {self.code}: {self.detail}".strip())
