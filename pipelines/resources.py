"""Resources of the assets, checks and sensors, built from the settings."""

from typing import Any

from core.clock import Clock, SystemClock
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.ingest.batch import SilentListener
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.factory import database_path, make_provider
from market.providers.protocol import Provider
from market.providers.status import ProviderStatus
from market.settings import MarketSettings
from market.store import BarStore
from pipelines.settings import PipelineSettings
from pipelines.stages.store import StageStore
from registry.versions import ModelRegistry


def build_resources(settings: PipelineSettings, clock: Clock | None = None) -> dict[str, Any]:
    """Return the resources by the names of the parameters that receive them."""
    clock = clock or SystemClock()
    stages = StageStore(settings.home / "stages")
    return {
        "settings": settings,
        "clock": clock,
        "provider": make_provider(settings, clock=clock),
        "provider_status": ProviderStatus(settings, clock),
        "ticker_states": TickerStateStore(database_path(settings)),
        "bar_store": BarStore(settings.home / "bars"),
        "quarantine": Quarantine(settings.home / "quarantine"),
        "listener": SilentListener(),
        "stages": stages,
        "io_manager": stages,
        "registry": ModelRegistry.from_settings(settings, clock=clock),
    }


def make_ingest(
    settings: MarketSettings,
    *,
    provider: Provider,
    bar_store: BarStore,
    quarantine: Quarantine,
    ticker_states: TickerStateStore,
    clock: Clock,
) -> Ingest:
    """Return the ingest of tickers with the given resources."""
    return Ingest(
        provider=provider,
        store=bar_store,
        quarantine=quarantine,
        ticker_states=ticker_states,
        sessions_of=SessionsByTicker.of_home(settings),
        join_tolerance=settings.join_tolerance,
        real_moves=settings.real_moves,
        clock=clock,
    )
