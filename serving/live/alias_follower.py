"""Follow the champion alias: load the version that it names as the candidate."""

from __future__ import annotations

from datetime import timedelta

from core.errors import BundleError, ForecastError, RegistryDownError, StockcastError
from registry.names import CHAMPION as CHAMPION_ALIAS
from registry.versions import ModelRegistry
from serving.http.problems import RUN_THE_PIPELINE
from serving.live.live_state import CHAMPION, REGISTRY, LiveState
from serving.models.model_cache import LiveModel, ModelCache
from serving.observability.events import log_event

# Errors such as a full disk can be repaired without a new version.
_RETRY_AFTER = timedelta(seconds=30)
NO_CHAMPION = f"No champion yet. {RUN_THE_PIPELINE}"
CHAMPION_GONE = (
    "The alias `champion` is not set or names a deleted version. Run `stockcast rollback --reason"
    " ...` or `stockcast promote VERSION --reason ...`, or move the alias in the MLflow UI."
)


class AliasFollower:
    """Keeps `LiveState.candidate` equal to the champion, unless it is live or refused."""

    def __init__(self, live: LiveState, registry: ModelRegistry, cache: ModelCache) -> None:
        self._live = live
        self._registry = registry
        self._cache = cache
        self._confirmed: LiveModel | None = None

    def refresh(self) -> None:
        """Read the alias, and load its version if it has changed."""
        live = self._live
        try:
            version = self._registry.alias_version(CHAMPION_ALIAS)
            is_live = version is not None and self._is_live(version)
        except StockcastError as error:
            self._report_registry_down(error)
            return
        live.metrics.set_registry_up(up=True)
        live.clear_issue(REGISTRY)
        live.alias_version = version
        if version is None:
            self._confirmed = None
            live.candidate = None
            live.report_issue(CHAMPION, NO_CHAMPION if live.model is None else CHAMPION_GONE)
        elif is_live:
            live.candidate = None
            live.clear_issue(CHAMPION)
        elif self._is_refused(version):
            live.candidate = None
            live.report_issue(CHAMPION, live.refused[version].detail)
        elif live.candidate is None or live.candidate.version != version:
            self._load_candidate(version)

    def _is_live(self, version: int) -> bool:
        """Return whether the live model is this version.

        Another registry may use the same number for another bundle, so the fingerprint of a live
        model is compared once, and again after the registry was down or had no champion.
        """
        model = self._live.model
        if model is None or model.version != version:
            return False
        if model is not self._confirmed:
            if self._registry.get(version).fingerprint != model.bundle.fingerprint:
                return False
            self._confirmed = model
        return True

    def _is_refused(self, version: int) -> bool:
        refused = self._live.refused.get(version)
        return refused is not None and not refused.can_be_retried(self._live.clock.now())

    def _load_candidate(self, version: int) -> None:
        live, started = self._live, self._live.clock.elapsed()
        live.candidate = None
        try:
            model = self._cache.load(version)
        except RegistryDownError as error:
            self._report_registry_down(error)
            return
        except (BundleError, ForecastError) as error:
            live.refuse(version, str(error))
            return
        except (StockcastError, OSError) as error:
            live.refuse(version, str(error), retry_at=live.clock.now() + _RETRY_AFTER)
            return
        live.candidate = model
        live.refused.pop(version, None)
        live.clear_issue(CHAMPION)
        seconds = live.clock.elapsed() - started
        fingerprint = model.bundle.fingerprint[:12]
        log_event("champion_loaded", version=version, fingerprint=fingerprint, seconds=seconds)

    def _report_registry_down(self, error: StockcastError) -> None:
        self._confirmed = None
        self._live.metrics.set_registry_up(up=False)
        self._live.report_issue(REGISTRY, str(error))
