"""Cache of forecasts from callers' bars, in memory and in the store that processes share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock

from core.clock import Clock
from serving.forecasts.forecast_table import ForecastTable
from serving.http.schemas.requests import PredictRequest
from serving.shared_store import SharedStore

_MAX_ENTRIES = 2_000


class CallerForecastCache:
    """Response bodies by request, model, snapshot and closed sessions. It is thread-safe.

    Parameters
    ----------
    seconds
        Time for which a body is kept; 0 for no cache.
    store
        Shared with other processes; None for a cache of this process.
    on_read
        Called with each read, and whether the cache had the body.
    """

    def __init__(
        self,
        seconds: float,
        clock: Clock,
        store: SharedStore | None,
        on_read: Callable[[bool], None],
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._store = store
        self._on_read = on_read
        self._bodies: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = Lock()

    def get(
        self, table: ForecastTable, request: PredictRequest, compute: Callable[[], bytes]
    ) -> bytes:
        """Return the body for a request, computed if no process has it. Errors are not cached."""
        if not self._seconds:
            return compute()
        key = _key(table, request)
        body = self._read(key)
        self._on_read(body is not None)
        if body is None:
            body = compute()
            if self._store is not None:
                self._store.put(key, body, self._seconds)
            self._keep(key, body)
        return body

    def _read(self, key: str) -> bytes | None:
        with self._lock:
            body, expires_at = self._bodies.get(key, (None, 0.0))
        if body is not None and self._clock.elapsed() < expires_at:
            return body
        return self._store.get(key) if self._store is not None else None

    def _keep(self, key: str, body: bytes) -> None:
        with self._lock:
            self._bodies[key] = body, self._clock.elapsed() + self._seconds
            self._bodies.move_to_end(key)
            if len(self._bodies) > _MAX_ENTRIES:
                self._bodies.popitem(last=False)


def _key(table: ForecastTable, request: PredictRequest) -> str:
    """Return a key that changes with everything that the forecast and its age depend on."""
    parts = (
        table.model.bundle.fingerprint,
        table.snapshot.fingerprint,
        repr(sorted(table.closed_sessions.items())),
        request.model_dump_json(),
    )
    return f"forecast:{blake2b('|'.join(parts).encode(), digest_size=20).hexdigest()}"
