"""Follow the published snapshot: build the forecast table of a model, and publish it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from core.errors import ForecastError, StockcastError
from forecasting.snapshot import Snapshot
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.http.problems import RUN_THE_PIPELINE
from serving.live.live_state import CHAMPION, SNAPSHOT, LiveState
from serving.models.model_cache import LiveModel, ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.observability.events import log_event


class SnapshotFollower:
    """Publishes the newest snapshot through the candidate, or else through the live model."""

    def __init__(self, live: LiveState, cache: ModelCache, snapshots: SnapshotCache) -> None:
        self._live = live
        self._cache = cache
        self._snapshots = snapshots
        # Version and snapshot fingerprint of each pair without any forecast.
        self._unusable: set[tuple[int, str]] = set()

    def refresh(self) -> None:
        """Publish a table unless the live one already has this model and snapshot."""
        for model in self._models():
            snapshot = self._find_snapshot(model)
            if snapshot is not None and self._serve(model, snapshot):
                return

    def _models(self) -> Iterator[LiveModel]:
        if self._live.candidate is not None:
            yield self._live.candidate
        if self._live.model is not None:
            yield self._live.model

    def _find_snapshot(self, model: LiveModel) -> Snapshot | None:
        """Return the snapshot for a model, or None after reporting the reason."""
        version, manifest = model.version, model.bundle.manifest
        try:
            snapshot = self._snapshots.newest(manifest)
        except StockcastError as error:
            self._live.report_issue(SNAPSHOT, f"Version {version}: {error}")
            return None
        if snapshot is None:
            detail = (
                f"Version {version} needs a snapshot of features {manifest.feature_hash[:12]},"
                f" and none is published. {RUN_THE_PIPELINE}"
            )
            self._live.report_issue(SNAPSHOT, detail)
        return snapshot

    def _serve(self, model: LiveModel, snapshot: Snapshot) -> bool:
        """Make the forecasts of a model over a snapshot live; return whether they are."""
        live = self._live
        table = live.forecasts.table if live.forecasts else None
        if table and table.model is model and table.snapshot is snapshot:
            live.clear_issue(SNAPSHOT)
            return True
        pair = (model.version, snapshot.fingerprint)
        if pair in self._unusable:
            return False
        try:
            new_table = build_forecast_table(model, snapshot, live.clock.now())
        except ForecastError as error:
            self._unusable.add(pair)
            if model is live.candidate:
                live.refuse(model.version, str(error))
            live.report_issue(SNAPSHOT, f"Version {model.version}: {error}")
            return False
        self._publish(new_table)
        return True

    def _publish(self, table: ForecastTable) -> None:
        live, model = self._live, table.model
        swapped = live.model is not model
        live.publish(table, "champion_swapped" if swapped else "snapshot_swapped")
        live.candidate = None
        live.clear_issue(SNAPSHOT)
        if model.version == live.alias_version:
            live.clear_issue(CHAMPION)
        if swapped:
            self._save_last_live(model)

    def _save_last_live(self, model: LiveModel) -> None:
        try:
            self._cache.save_last_live(model)
        except OSError as error:
            log_event(
                "last_live_not_saved", level=logging.WARNING, version=model.version, error=error
            )
