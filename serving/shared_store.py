"""Values that several processes of the service share, in Redis.

While Redis is down, reads find nothing and writes do nothing: the service is slower and has no
error. It is tried again after a pause, so that no request waits for it more than once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from core.clock import Clock
from serving.observability.events import log_event

# Version of all keys: a change of any format needs a new one.
_PREFIX = "stockcast:1:"
_TIMEOUT_SECONDS = 0.25
_PAUSE_SECONDS = 5.0

T = TypeVar("T")


class SharedStore:
    """Client of one Redis server. Call it from threads only, because it blocks."""

    def __init__(self, url: str, clock: Clock) -> None:
        # 10 MB that a service without Redis does not need.
        from redis import Redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.exceptions import RedisError  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        self._failure = RedisError
        self._redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._clock = clock
        self._is_down = False
        self._next_try = 0.0

    def get(self, key: str) -> bytes | None:
        """Return a value, or None if it is unknown, has expired, or Redis is down."""
        value = self._call(lambda: self._redis.get(_PREFIX + key))
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Store a value for some seconds."""
        self._call(lambda: self._redis.set(_PREFIX + key, value, px=max(1, int(seconds * 1e3))))

    def run(self, script: str, key: str, arguments: Sequence[float]) -> Any:  # noqa: ANN401  # of the script
        """Run a Lua script on one key, atomically; None while Redis is down."""
        return self._call(lambda: self._redis.eval(script, 1, _PREFIX + key, *arguments))

    def _call(self, operation: Callable[[], T]) -> T | None:
        if self._is_down and self._clock.elapsed() < self._next_try:
            return None
        try:
            result = operation()
        except self._failure as error:
            self._next_try = self._clock.elapsed() + _PAUSE_SECONDS
            if not self._is_down:
                self._is_down = True
                log_event("shared_store_down", level=logging.WARNING, error=error)
            return None
        if self._is_down:
            self._is_down = False
            log_event("shared_store_up")
        return result
