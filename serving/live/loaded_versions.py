"""Versions that are loaded in addition to the champion, for comparisons and before a deployment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from core.clock import Clock
from core.errors import BundleError, ForecastError, RegistryError, SnapshotError
from serving.forecasts.forecast_table import ForecastTable, build_forecast_table
from serving.http.problems import Problem
from serving.models.model_cache import LiveModel, ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.observability.events import log_event

# Each version needs the memory of its graph and forecasts.
MAX_LOADED = 2


@dataclass(frozen=True)
class LoadedTable:
    """A loaded version, its snapshots and its forecasts."""

    model: LiveModel
    snapshots: SnapshotCache
    table: ForecastTable
    loaded_at: datetime


class LoadedVersions:
    """Loads and unloads versions at the request of an administrator. It is thread-safe.

    Parameters
    ----------
    make_snapshots
        Creates the cache of snapshots of one version.
    """

    def __init__(
        self,
        cache: ModelCache,
        make_snapshots: Callable[[], SnapshotCache],
        clock: Clock,
        *,
        max_age_sessions: int,
    ) -> None:
        self._cache = cache
        self._make_snapshots = make_snapshots
        self._clock = clock
        self._max_age_sessions = max_age_sessions
        self._loaded: dict[int, LoadedTable] = {}
        self._lock = threading.Lock()

    @property
    def all(self) -> list[LoadedTable]:
        """All loaded versions."""
        return [loaded for _, loaded in sorted(self._loaded.items())]

    def load(self, version: int) -> LoadedTable:
        """Load a version, unless it is loaded.

        Raises
        ------
        Problem
            If `MAX_LOADED` versions are loaded, or if the version is unknown or unusable.
        RegistryDownError
            If the registry does not respond.
        """
        with self._lock:
            if (loaded := self._loaded.get(version)) is not None:
                return loaded
            if len(self._loaded) >= MAX_LOADED:
                names = " and ".join(map(str, sorted(self._loaded)))
                msg = f"At most {MAX_LOADED} versions can be loaded; unload {names} first."
                raise Problem(HTTPStatus.CONFLICT, "too-many-versions", msg)
            loaded = self._loaded[version] = self._open(version)
        log_event("version_loaded", version=version, tickers=len(loaded.table.rows))
        return loaded

    def unload(self, version: int) -> None:
        """Drop a loaded version; raise a `Problem` if it is not loaded."""
        with self._lock:
            if self._loaded.pop(version, None) is None:
                raise _not_loaded(version)
        log_event("version_unloaded", version=version)

    def table(self, version: int) -> ForecastTable:
        """Return the present forecasts of a loaded version.

        Raises
        ------
        Problem
            If the version is not loaded.
        StockcastError
            If a new snapshot does not fit the version.
        """
        with self._lock:
            if (loaded := self._loaded.get(version)) is None:
                raise _not_loaded(version)
            table = self._refreshed(loaded)
            if table is not loaded.table:
                self._loaded[version] = LoadedTable(
                    loaded.model, loaded.snapshots, table, loaded.loaded_at
                )
            return table

    def _open(self, version: int) -> LoadedTable:
        try:
            model = self._cache.load(version)
            snapshots = self._make_snapshots()
            return LoadedTable(model, snapshots, self._build(model, snapshots), self._clock.now())
        except RegistryError as error:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-version", str(error)) from error
        except (BundleError, ForecastError, SnapshotError) as error:
            msg = f"Version {version} cannot be loaded: {error}"
            raise Problem(HTTPStatus.CONFLICT, "version-unusable", msg) from error

    def _refreshed(self, loaded: LoadedTable) -> ForecastTable:
        snapshot = loaded.snapshots.newest(loaded.model.bundle.manifest)
        if snapshot is None or snapshot is loaded.table.snapshot:
            return loaded.table.aged(self._clock.now())
        return self._build(loaded.model, loaded.snapshots)

    def _build(self, model: LiveModel, snapshots: SnapshotCache) -> ForecastTable:
        snapshot = snapshots.newest(model.bundle.manifest)
        if snapshot is None:
            msg = f"no snapshot fits the features of version {model.version}."
            raise SnapshotError(msg)
        return build_forecast_table(
            model, snapshot, self._clock.now(), max_age_sessions=self._max_age_sessions
        )


def _not_loaded(version: int) -> Problem:
    msg = f"Version {version} is not loaded; load it with POST /models/{version}/load."
    return Problem(HTTPStatus.NOT_FOUND, "version-not-loaded", msg)
