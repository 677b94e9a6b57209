"""The challenger, loaded when a comparison first asks for it: most processes never need one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from core.clock import utc_now
from core.errors import StockcastError
from registry.names import CHALLENGER
from registry.versions import ModelRegistry
from serving.forecasts.forecast_table import AnswerBook, make_book
from serving.models.model_cache import ModelCache
from serving.models.snapshot_feed import SnapshotFeed


@dataclass(frozen=True)
class Challenge:
    """The challenger's book, or why there is none."""

    book: AnswerBook | None
    note: str | None


class Challenger:
    """Keeps the challenger's book while alias and snapshot stay; threads may share it."""

    def __init__(
        self,
        registry: ModelRegistry,
        cache: ModelCache,
        feed: SnapshotFeed,
        *,
        poll_seconds: float,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._feed = feed
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._known = Challenge(None, None)
        self._looked_at = -poll_seconds

    def look(self) -> Challenge:
        """Return the present challenge; it is at most `poll_seconds` old."""
        with self._lock:
            if time.monotonic() - self._looked_at >= self._poll_seconds:
                self._known = self._read()
                self._looked_at = time.monotonic()
            return self._known

    def _read(self) -> Challenge:
        try:
            version = self._registry.alias_version(CHALLENGER)
            if version is None:
                return Challenge(None, "No challenger is set.")
            known = self._known.book
            model = known.model if known and known.model.version == version else None
            model = model or self._cache.load(version)
            snapshot = self._feed.newest(model.bundle.manifest)
            if snapshot is None:
                return Challenge(None, f"No snapshot fits the features of version {version}.")
            if known and known.model is model and known.snapshot is snapshot:
                return self._known
            book = make_book(model, snapshot, utc_now())
        except (StockcastError, OSError) as error:
            return Challenge(None, f"The challenger cannot be shown: {error}")
        return Challenge(book, None)
