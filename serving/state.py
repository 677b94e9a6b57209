"""Application state: every object that routes, fast path and refresher share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from starlette.requests import HTTPConnection

from core.clock import Clock
from forecasting.snapshot import SNAPSHOT_FOLDER
from market.providers.protocol import Quote
from market.providers.status import ProviderStatus
from registry.pages import version_page
from registry.versions import ModelRegistry
from serving.dagster_client import DagsterClient
from serving.forecasts.caller_cache import CallerForecastCache
from serving.jobs import JobStore
from serving.live.alias_follower import AliasFollower
from serving.live.calendar_follower import CalendarFollower
from serving.live.challenger import ChallengerCache
from serving.live.change_feed import ChangeFeed
from serving.live.last_live import LastLiveFollower
from serving.live.live_state import LiveState
from serving.live.loaded_versions import LoadedVersions
from serving.live.provider_follower import ProviderFollower
from serving.live.refresher import ChampionRefresher
from serving.live.snapshot_follower import SnapshotFollower
from serving.models.drift_file import DriftFile
from serving.models.model_cache import ModelCache, Verify
from serving.models.past_forecasts import WalkForwardHistory
from serving.models.snapshot_cache import SnapshotCache
from serving.models.verification import BundleVerifier
from serving.observability.metrics import Metrics
from serving.observability.request_log import RequestLog
from serving.protection.protection import Protection, build_protection
from serving.quotes import QuoteCache
from serving.settings import ServingSettings
from serving.shared_store import SharedStore

MODEL_FOLDER = Path("serving") / "models"
HISTORY_FOLDER = Path("serving") / "history"


@dataclass(frozen=True)
class ServiceState:
    """State of one process, complete from the start of the service."""

    clock: Clock
    metrics: Metrics
    request_log: RequestLog
    live: LiveState
    refresher: ChampionRefresher
    challenger: ChallengerCache
    quotes: QuoteCache
    caller_forecasts: CallerForecastCache
    jobs: JobStore
    protection: Protection
    history: WalkForwardHistory
    loaded: LoadedVersions
    dagster: DagsterClient | None
    version_page: Callable[[int], str | None]
    drift: DriftFile
    poll_seconds: float
    started_at: datetime


def build_state(
    settings: ServingSettings,
    clock: Clock,
    registry: ModelRegistry,
    metrics: Metrics,
    verify: Verify = BundleVerifier(),  # noqa: B008  # immutable
) -> ServiceState:
    """Build the complete state. The first refresh reads registry, snapshot and providers."""
    live = LiveState(clock, metrics, settings.max_data_age_sessions)
    cache = ModelCache(registry, settings.home / MODEL_FOLDER, verify)
    snapshots = settings.home / SNAPSHOT_FOLDER
    provider_status = ProviderStatus(settings, clock)
    url = settings.redis_url
    store = SharedStore(url.get_secret_value(), clock) if url else None
    protection = build_protection(settings, clock, store)
    poll_seconds, max_age_sessions = settings.poll_seconds, settings.max_data_age_sessions
    snapshot_follower = SnapshotFollower(live, cache, SnapshotCache(snapshots))
    followers = (
        *protection.followers,
        LastLiveFollower(live, cache, snapshot_follower),
        AliasFollower(live, registry, cache),
        snapshot_follower,
        CalendarFollower(live),
        ProviderFollower(live, provider_status),
    )
    return ServiceState(
        clock=clock,
        metrics=metrics,
        request_log=RequestLog(settings.log_requests_per_second),
        live=live,
        refresher=ChampionRefresher(live, followers, poll_seconds=poll_seconds),
        challenger=ChallengerCache(
            *(registry, cache, SnapshotCache(snapshots), clock),
            poll_seconds=poll_seconds,
            max_age_sessions=max_age_sessions,
        ),
        quotes=_build_quotes(settings, live, provider_status, store),
        caller_forecasts=CallerForecastCache(
            *(settings.forecast_cache_seconds, clock, store),
            on_read=partial(metrics.count_cache_read, "forecasts"),
        ),
        jobs=JobStore(clock),
        protection=protection,
        history=WalkForwardHistory(registry, settings.home / HISTORY_FOLDER),
        loaded=LoadedVersions(
            *(cache, lambda: SnapshotCache(snapshots), clock), max_age_sessions=max_age_sessions
        ),
        dagster=DagsterClient(str(settings.dagster_url)) if settings.dagster_url else None,
        version_page=partial(version_page, registry),
        drift=DriftFile(settings.home),
        poll_seconds=poll_seconds,
        started_at=clock.now(),
    )


def _build_quotes(
    settings: ServingSettings, live: LiveState, status: ProviderStatus, store: SharedStore | None
) -> QuoteCache:
    return QuoteCache(
        *(settings, live.clock, status.reserved_from_quotes),
        cache_seconds=settings.quote_cache_seconds,
        store=store,
        on_quote=_quote_publisher(live.changes),
        on_read=partial(live.metrics.count_cache_read, "quotes"),
    )


def _quote_publisher(changes: ChangeFeed) -> Callable[[Quote], None]:
    def publish(quote: Quote) -> None:
        data = asdict(quote)
        data["fetched_at"] = data.pop("requested_at")
        changes.publish("quote", data, quote.ticker)

    return publish


def state_of(request: HTTPConnection) -> ServiceState:
    """Return the state that the service has set at its start."""
    state: ServiceState = request.app.state.service
    return state
