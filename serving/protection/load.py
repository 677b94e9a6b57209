"""Load limits: requests in progress, and the delay of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus

from serving.http.problems import Problem
from serving.observability.events import log_event

_SAMPLE_SECONDS = 0.05
# The delay must last this long: a single pause, such as a swap, is no overload.
_SAMPLES = 10
_RETRY_SECONDS = 1


class Slot:
    """The place of one request among the requests in progress."""

    def __init__(self, limiter: LoadLimiter) -> None:
        self._limiter: LoadLimiter | None = limiter

    def release(self) -> None:
        """Free the slot; further calls change nothing."""
        if self._limiter is not None:
            self._limiter.leave()
            self._limiter = None


class LoadLimiter:
    """Refuses requests before all of them become slow.

    Parameters
    ----------
    max_concurrency
        Requests in progress at once.
    max_delay_seconds
        Delay of the event loop from which new requests are refused.
    """

    def __init__(self, max_concurrency: int, max_delay_seconds: float) -> None:
        self._max_concurrency = max_concurrency
        self._max_delay = max_delay_seconds
        self._in_progress = 0
        self._delays: deque[float] = deque(maxlen=_SAMPLES)
        self._is_late = False

    def enter(self) -> Slot:
        """Return the slot of a request; raise a `Problem` if none is free or the loop is late."""
        if self._is_late:
            msg = "The service is overloaded; retry in a second."
            raise _overloaded(msg)
        if self._in_progress >= self._max_concurrency:
            msg = f"{self._max_concurrency} requests are in progress, which is the limit; retry."
            raise _overloaded(msg)
        self._in_progress += 1
        return Slot(self)

    def leave(self) -> None:
        """Count the end of a request."""
        self._in_progress -= 1

    async def run(self) -> None:
        """Measure the delay of the event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await asyncio.sleep(_SAMPLE_SECONDS)
            self.record_delay(loop.time() - started - _SAMPLE_SECONDS)

    def record_delay(self, seconds: float) -> None:
        """Add one sample of the delay."""
        self._delays.append(seconds)
        is_late = len(self._delays) == _SAMPLES and min(self._delays) > self._max_delay
        if is_late and not self._is_late:
            fix = "send fewer requests, or run more processes"
            log_event("overload_began", level=logging.WARNING, delay_seconds=seconds, fix=fix)
        elif self._is_late and not is_late:
            log_event("overload_ended", delay_seconds=seconds)
        self._is_late = is_late


def _overloaded(detail: str) -> Problem:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(status, "overloaded", detail, retry_seconds=_RETRY_SECONDS)
