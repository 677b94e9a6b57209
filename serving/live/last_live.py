"""Restore the last live version at a start, from the cache of this home."""

from __future__ import annotations

from core.errors import StockcastError
from serving.live.live_state import LiveState
from serving.live.snapshot_follower import SnapshotFollower
from serving.models.model_cache import LiveModel, ModelCache


class LastLiveFollower:
    """Publishes the last live version while nothing is live.

    It runs before the other followers. A start-up therefore has the state of a service that never
    stopped, and the same fallbacks: alias, registry and snapshot may all be unusable.
    """

    def __init__(self, live: LiveState, cache: ModelCache, snapshots: SnapshotFollower) -> None:
        self._live = live
        self._cache = cache
        self._snapshots = snapshots
        self._model: LiveModel | None = None

    def refresh(self) -> None:
        """Publish the last live version; other followers report the reason if that fails."""
        if self._live.forecasts is not None:
            return
        self._model = self._model or self._cache.load_last_live()
        if self._model is not None:
            try:
                self._snapshots.serve(self._model)
            except StockcastError:
                return
