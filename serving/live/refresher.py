"""Follows the champion alias, the published snapshot, the exchanges' calendars and the providers.

What has changed is swapped in at once. Every look is short and never raises: whatever goes wrong is
told once, shown by `/health`, and the answers that are live go on. What an answer contains belongs
to `serving.forecasts.forecast_table`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from core.clock import utc_now
from core.errors import BundleError, ForecastError, RegistryDownError, StockcastError
from forecasting.snapshot import Snapshot
from registry.names import CHAMPION
from registry.versions import ModelRegistry
from serving.forecasts.forecast_table import (
    ForecastTable,
    build_forecast_table,
    last_closed_sessions,
)
from serving.http.problems import RUN_THE_PIPELINE
from serving.live.live_state import PRICES, LiveState, RefusedVersion
from serving.models.model_cache import LiveModel, ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.observability.events import log_event
from serving.observability.metrics import Metrics
from serving.provider_status import PriceFeed

# What a person may repair without registering another version, such as a full disk.
_RETRY_AFTER = timedelta(seconds=30)


class ChampionRefresher:
    """Keeps a `LiveState` up to date."""

    def __init__(
        self,
        desk: LiveState,
        registry: ModelRegistry,
        cache: ModelCache,
        feed: SnapshotCache,
        metrics: Metrics,
        *,
        prices: PriceFeed,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._desk = desk
        self._registry = registry
        self._cache = cache
        self._feed = feed
        self._metrics = metrics
        self._prices = prices
        self._now = now
        self._candidate: LiveModel | None = None
        self._unusable: set[tuple[int, str]] = set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._desk.poll_seconds)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Look once, and swap what has changed."""
        try:
            self._follow_alias()
            self._follow_data()
            self._follow_prices()
        except Exception as error:  # noqa: BLE001  # a surprise must not end the watch
            self._trouble("watch", f"Looking for changes failed: {type(error).__name__}: {error}")
        else:
            self._clear("watch")
        self._metrics.write()
        self._desk.polled_at = self._now()

    def _follow_alias(self) -> None:
        """Load the version that the alias names as candidate, unless it is live or refused."""
        desk = self._desk
        try:
            version = self._registry.alias_version(CHAMPION)
        except StockcastError as error:
            self._registry_down(error)
            return
        self._registry_up()
        desk.alias_version = version
        if version is None:
            self._candidate = None
            self._trouble("champion", self._goes_on(f"No champion yet. {RUN_THE_PIPELINE}"))
        elif version == self._live_version:
            self._candidate = None
            self._clear("champion")
        elif version in desk.refused and not desk.refused[version].can_be_retried(self._now()):
            self._candidate = None
            self._trouble("champion", self._goes_on(desk.refused[version].sentence))
        elif self._candidate is None or self._candidate.version != version:
            self._candidate = self._load(version)

    def _load(self, version: int) -> LiveModel | None:
        started = time.perf_counter()
        try:
            model = self._cache.load(version)
        except RegistryDownError as error:
            self._registry_down(error)
            return None
        except (BundleError, ForecastError) as error:
            self._refuse(version, str(error))
            return None
        except (StockcastError, OSError) as error:
            self._refuse(version, str(error), retry_at=self._now() + _RETRY_AFTER)
            return None
        self._desk.refused.pop(version, None)
        self._clear("champion")
        fingerprint, seconds = model.bundle.fingerprint[:12], time.perf_counter() - started
        log_event("champion_loaded", version=version, fingerprint=fingerprint, s=seconds)
        return model

    def _follow_data(self) -> None:
        """Show the newest data through the candidate, or else through the model that is live."""
        for model in self._models():
            snapshot = self._snapshot_for(model)
            if snapshot is not None and self._show(model, snapshot):
                return

    def _follow_prices(self) -> None:
        """Note how the providers of prices are; forecasts go on whatever it is."""
        try:
            prices = self._prices.look()
        except StockcastError as error:
            self._trouble(PRICES, str(error))
            return
        self._desk.prices = prices
        self._metrics.prices(prices)
        live = self._desk.live
        if sentence := prices.sentence(live.book.age if live else None):
            self._trouble(PRICES, sentence)
        else:
            self._clear(PRICES)

    def _models(self) -> Iterator[LiveModel]:
        if self._candidate is not None:
            yield self._candidate
        if self._desk.live is not None:
            yield self._desk.live.book.model

    def _snapshot_for(self, model: LiveModel) -> Snapshot | None:
        """Return the snapshot for the model; what is wrong with it becomes a trouble."""
        version, manifest = model.version, model.bundle.manifest
        try:
            snapshot = self._feed.newest(manifest)
        except StockcastError as error:
            self._trouble("snapshot", self._goes_on(f"Version {version}: {error}"))
            return None
        if snapshot is None:
            sentence = (
                f"Version {version} needs a snapshot of features {manifest.feature_hash[:12]},"
                f" and none is published. {RUN_THE_PIPELINE}"
            )
            self._trouble("snapshot", self._goes_on(sentence))
        return snapshot

    def _show(self, model: LiveModel, snapshot: Snapshot) -> bool:
        """Put the model's answers over the snapshot on display; say whether they are there."""
        desk, version, now = self._desk, model.version, self._now()
        book = desk.live.book if desk.live else None
        if book and book.model is model and book.snapshot is snapshot:
            closed = last_closed_sessions(book.closed, now)
            if closed != book.closed:
                self._display(version, book.at(closed), "session_closed", now)
            self._clear("snapshot")
            return True
        pair = (version, snapshot.fingerprint)
        if pair in self._unusable:
            return False
        try:
            fresh = build_forecast_table(model, snapshot, now)
        except ForecastError as error:
            self._unusable.add(pair)
            if model is self._candidate:
                self._refuse(version, str(error))
            self._trouble("snapshot", self._goes_on(f"Version {version}: {error}"))
            return False
        swapped = book is None or book.model is not model
        self._display(version, fresh, "champion_swapped" if swapped else "snapshot_swapped", now)
        self._candidate = None
        self._clear("snapshot")
        if version == desk.alias_version:
            self._clear("champion")
        if swapped:
            self._remember(model)
        return True

    def _remember(self, model: LiveModel) -> None:
        try:
            self._cache.save_last_live(model)
        except OSError as error:
            log_event("not_remembered", level=logging.WARNING, version=model.version, error=error)

    def _display(self, version: int, book: ForecastTable, event: str, now: datetime) -> None:
        started, before = time.perf_counter(), self._live_version
        self._desk.show(book, now)
        self._metrics.shown(version, book.age, event)
        log_event(
            event,
            version=version,
            before=before,
            tickers=len(book.rows),
            refused_tickers=len(book.refused),
            snapshot=book.snapshot.fingerprint[:12],
            age_sessions=book.age,
            s=time.perf_counter() - started,
        )

    def _refuse(self, version: int, reason: str, *, retry_at: datetime | None = None) -> None:
        """Keep a version from going live; told once, however often it is tried again."""
        self._candidate = None
        sentence = f"Version {version} is refused: {reason}"
        known = self._desk.refused.get(version)
        since = known.since if known else self._now()
        self._desk.refused[version] = RefusedVersion(sentence, since, retry_at)
        if known is None or known.sentence != sentence:
            self._metrics.refused()
            log_event("champion_refused", level=logging.ERROR, version=version, reason=reason)
        self._trouble("champion", self._goes_on(sentence))

    def _registry_down(self, error: StockcastError) -> None:
        self._metrics.registry_up(up=False)
        if self._desk.live is None and self._candidate is None:
            self._candidate = self._cache.load_last_live()
        self._trouble("registry", self._goes_on(str(error)))

    def _registry_up(self) -> None:
        self._metrics.registry_up(up=True)
        self._clear("registry")

    def _goes_on(self, sentence: str) -> str:
        live = self._live_version
        return sentence if live is None else f"{sentence} Version {live} goes on answering."

    @property
    def _live_version(self) -> int | None:
        live = self._desk.live
        return live.book.model.version if live else None

    def _trouble(self, topic: str, sentence: str) -> None:
        self._desk.report_issue(topic, sentence, self._now())

    def _clear(self, topic: str) -> None:
        self._desk.clear_issue(topic, self._now())
