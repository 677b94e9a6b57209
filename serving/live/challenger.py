"""Forecasts of the challenger, loaded at the first comparison."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from core.clock import Clock
from core.errors import BundleError, StockcastError
from registry.names import CHALLENGER
from registry.versions import ModelRegistry
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.models.model_cache import LiveModel, ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.observability.events import log_event
from serving.observability.tracing import span


@dataclass(frozen=True)
class ChallengerForecasts:
    """The table of the challenger, or a note with the reason for its absence."""

    table: ForecastTable | None
    note: str | None


class ChallengerCache:
    """Caches the challenger's table until alias or snapshot change. It is thread-safe."""

    def __init__(
        self,
        registry: ModelRegistry,
        cache: ModelCache,
        snapshots: SnapshotCache,
        clock: Clock,
        *,
        poll_seconds: float,
        max_age_sessions: int,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._snapshots = snapshots
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._max_age_sessions = max_age_sessions
        self._lock = threading.Lock()
        self._cached = ChallengerForecasts(None, None)
        self._expires_at = 0.0
        self._refused: dict[int, BundleError] = {}

    def get(self) -> ChallengerForecasts:
        """Return the forecasts; they are at most `poll_seconds` old."""
        with self._lock:
            if self._clock.elapsed() >= self._expires_at:
                self._cached = self._read()
                self._expires_at = self._clock.elapsed() + self._poll_seconds
            return self._cached

    def _load(self, version: int) -> LiveModel:
        """Load a version; refuse a damaged one at once, because its verification takes long."""
        if version in self._refused:
            raise self._refused[version].with_traceback(None)
        try:
            return self._cache.load(version)
        except BundleError as error:
            self._refused = {version: error}
            raise

    def _read(self) -> ChallengerForecasts:
        try:
            with span("database", read="alias"):
                version = self._registry.alias_version(CHALLENGER)
            if version is None:
                return ChallengerForecasts(None, "No challenger is set.")
            cached = self._cached.table
            model = cached.model if cached and cached.model.version == version else None
            model = model or self._load(version)
            snapshot = self._snapshots.newest(model.bundle.manifest)
            if snapshot is None:
                note = f"No snapshot fits the features of version {version}."
                return ChallengerForecasts(None, note)
            now = self._clock.now()
            if cached and cached.model is model and cached.snapshot is snapshot:
                table = cached.aged(now)
            else:
                table = build_forecast_table(
                    model, snapshot, now, max_age_sessions=self._max_age_sessions
                )
        except (StockcastError, OSError) as error:
            note = f"The challenger is not available: {error}"
            if note != self._cached.note:
                log_event("challenger_not_available", level=logging.WARNING, error=error)
            return ChallengerForecasts(None, note)
        return ChallengerForecasts(table, None)
