"""The challenger, loaded when a comparison first asks for it: most processes never need one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from core.clock import utc_now
from core.errors import StockcastError
from registry.names import CHALLENGER
from registry.versions import ModelRegistry
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.models.model_cache import ModelCache
from serving.models.snapshot_cache import SnapshotCache


@dataclass(frozen=True)
class ChallengerForecasts:
    """The challenger's book, or why there is none."""

    book: ForecastTable | None
    note: str | None


class ChallengerCache:
    """Keeps the challenger's book while alias and snapshot stay; threads may share it."""

    def __init__(
        self,
        registry: ModelRegistry,
        cache: ModelCache,
        feed: SnapshotCache,
        *,
        poll_seconds: float,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._feed = feed
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._known = ChallengerForecasts(None, None)
        self._looked_at = -poll_seconds

    def look(self) -> ChallengerForecasts:
        """Return the present challenge; it is at most `poll_seconds` old."""
        with self._lock:
            if time.monotonic() - self._looked_at >= self._poll_seconds:
                self._known = self._read()
                self._looked_at = time.monotonic()
            return self._known

    def _read(self) -> ChallengerForecasts:
        try:
            version = self._registry.alias_version(CHALLENGER)
            if version is None:
                return ChallengerForecasts(None, "No challenger is set.")
            known = self._known.book
            model = known.model if known and known.model.version == version else None
            model = model or self._cache.load(version)
            snapshot = self._feed.newest(model.bundle.manifest)
            if snapshot is None:
                return ChallengerForecasts(
                    None, f"No snapshot fits the features of version {version}."
                )
            if known and known.model is model and known.snapshot is snapshot:
                return self._known
            book = build_forecast_table(model, snapshot, utc_now())
        except (StockcastError, OSError) as error:
            return ChallengerForecasts(None, f"The challenger cannot be shown: {error}")
        return ChallengerForecasts(book, None)
