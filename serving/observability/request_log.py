"""Log of requests: every failed or slow one, and a bounded number of the others."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from serving.observability.events import log_event

SLOW_SECONDS = 1.0
# An attribute of the enumeration would take longer than the rest of `is_due`.
FAILED_FROM = int(HTTPStatus.INTERNAL_SERVER_ERROR)
# Under an overload every request may fail, and the log must not be the next bottleneck.
_MAX_FAILED_PER_SECOND = 100


class RequestLog:
    """Decides which requests are logged, and logs them. Only the event loop may call it.

    Parameters
    ----------
    per_second
        Largest number of lines per second for requests that are neither failed nor slow.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second_ends = 0.0
        self._left = 0
        self._failed_left = 0
        self._not_logged = 0

    def is_due(self, status: int, seconds: float, now: float) -> bool:
        """Return whether a request must be logged with `write`.

        Parameters
        ----------
        status
            HTTP status of the response.
        seconds
            Time of the request.
        now
            Time of a monotonic clock at its end.
        """
        if now >= self._second_ends:
            self._second_ends = now + 1.0
            self._left, self._failed_left = self._per_second, _MAX_FAILED_PER_SECOND
        if status < FAILED_FROM and seconds < SLOW_SECONDS:
            if self._left:
                self._left -= 1
                return True
        elif self._failed_left:
            self._failed_left -= 1
            return True
        self._not_logged += 1
        return False

    def write(self, *, route: str, status: int, seconds: float, **fields: object) -> None:
        """Log one request, with the number of requests since the last line that were not logged.

        Parameters
        ----------
        route
            Pattern of the route.
        **fields
            Further fields such as ``method``, ``request_id``, ``ticker`` and ``version``. A field
            of None is left out.
        """
        if self._not_logged:
            fields["not_logged"], self._not_logged = self._not_logged, 0
        known: dict[str, Any] = {n: value for n, value in fields.items() if value is not None}
        log_event(
            "request",
            level=logging.WARNING if status >= FAILED_FROM else logging.INFO,
            route=route,
            status=status,
            milliseconds=round(seconds * 1e3, 3),
            **known,
        )
