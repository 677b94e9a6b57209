"""When a request is sent again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_TRANSIENT = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter. `Retry-After` of the service takes precedence.

    Parameters
    ----------
    attempts
        Number of requests, the first included.
    first_seconds, max_seconds
        Back-off before the second request, doubled for each further one up to `max_seconds`. If
        `Retry-After` is longer than `max_seconds`, the error is raised at once.
    """

    attempts: int = 4
    first_seconds: float = 0.25
    max_seconds: float = 30.0

    def seconds_to_wait(
        self, attempt: int, status: int | None, retry_after: float | None
    ) -> float | None:
        """Return the seconds before the next request, or None if there is to be none.

        Parameters
        ----------
        attempt
            Number of requests so far.
        status
            HTTP status. None if the connection failed.
        """
        if attempt >= self.attempts or (status is not None and status not in _TRANSIENT):
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.max_seconds else None
        longest = min(self.max_seconds, self.first_seconds * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter is no secret


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return `Retry-After` in seconds, which is a number or a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return max(0.0, (until - now).total_seconds())
