"""Follow the published snapshot: build the forecast table of a model, and publish it."""

from __future__ import annotations

import logging

from core.errors import ForecastError, SnapshotError, StockcastError
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
        # Error by fingerprints of bundle and snapshot, for each pair without any forecast.
        self._unusable: dict[tuple[str, str], ForecastError] = {}
        # Versions that are refused because of such a pair, by their number.
        self._without_forecast: dict[int, LiveModel] = {}
        self._saved: LiveModel | None = None
        self._not_saved: LiveModel | None = None

    def refresh(self) -> None:
        """Publish a table unless the live one already has this model and snapshot."""
        self._reconsider_refused()
        failures = []
        for model in (self._live.candidate, self._live.model):
            if model is None:
                continue
            try:
                self.serve(model)
            except StockcastError as error:
                if isinstance(error, ForecastError) and model is self._live.candidate:
                    self._live.refuse(model.version, str(error))
                    self._without_forecast[model.version] = model
                failures.append(f"Version {model.version}: {error}")
            else:
                break
        # The issue of a candidate remains while the live model replaces it.
        if failures:
            self._live.report_issue(SNAPSHOT, failures[0])
        else:
            self._live.clear_issue(SNAPSHOT)
        self._save_last_live()

    def serve(self, model: LiveModel) -> None:
        """Make the forecasts of a model over the newest snapshot live.

        Raises
        ------
        ForecastError
            If the model has no forecast for any ticker.
        StockcastError
            If no published snapshot fits the model.
        """
        live, snapshot = self._live, self._find_snapshot(model)
        table = live.forecasts.table if live.forecasts else None
        if table and table.model is model and table.snapshot is snapshot:
            return
        pair = (model.bundle.fingerprint, snapshot.fingerprint)
        if pair in self._unusable:
            raise self._unusable[pair].with_traceback(None)
        try:
            new_table = build_forecast_table(
                model, snapshot, live.clock.now(), max_age_sessions=live.max_age_sessions
            )
        except ForecastError as error:
            self._unusable[pair] = error
            raise
        self._publish(new_table)
        snapshot.release_pages()

    def _reconsider_refused(self) -> None:
        """Make the champion the candidate again if the snapshot without a forecast is replaced."""
        live, version = self._live, self._live.alias_version
        model = None if version is None else self._without_forecast.get(version)
        if model is None:
            return
        try:
            pair = (model.bundle.fingerprint, self._find_snapshot(model).fingerprint)
        except StockcastError:  # the next publication may be usable
            return
        if pair not in self._unusable:
            live.refused.pop(model.version, None)
            live.candidate = self._without_forecast.pop(model.version)

    def _find_snapshot(self, model: LiveModel) -> Snapshot:
        manifest = model.bundle.manifest
        snapshot = self._snapshots.newest(manifest)
        if snapshot is None:
            msg = (
                f"It needs a snapshot of features {manifest.feature_hash[:12]},"
                f" and none is published. {RUN_THE_PIPELINE}"
            )
            raise SnapshotError(msg)
        return snapshot

    def _publish(self, table: ForecastTable) -> None:
        live, model = self._live, table.model
        swapped = live.model is not model
        live.publish(table, "champion_swapped" if swapped else "snapshot_swapped")
        if model is live.candidate:
            live.candidate = None
        if model.version == live.alias_version:
            live.clear_issue(CHAMPION)

    def _save_last_live(self) -> None:
        """Record the live version for the next start; on a full disk, retry until it succeeds."""
        model = self._live.model
        if model is None or model is self._saved:
            return
        try:
            self._cache.save_last_live(model)
        except OSError as error:
            if model is not self._not_saved:
                log_event(
                    "last_live_not_saved",
                    level=logging.WARNING,
                    version=model.version,
                    error=error,
                    fix="free the disk of the home; until then a restart needs the registry",
                )
            self._not_saved = model
        else:
            self._saved = model
