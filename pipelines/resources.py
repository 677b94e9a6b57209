"""The things that assets work with, made from the settings in one place. No asset logic here."""

from typing import Any

from market.clock import Clock, SystemClock
from market.exchanges import SessionsOf
from market.ingest import Ingest
from market.providers.base import Provider
from market.providers.factory import make_health, make_ledger, make_provider, shared_file
from market.quarantine import Quarantine
from market.records import TickerRecords
from market.settings import Settings
from market.store import BarStore
from pipelines.accounts import Accounts
from pipelines.rounds import NoListener
from pipelines.stages import StageStore
from registry.versions import ModelRegistry


def build_resources(settings: Settings, clock: Clock | None = None) -> dict[str, Any]:
    """Return the resources by the name under which assets ask for them."""
    clock = clock or SystemClock()
    stages = StageStore(settings.home / "stages")
    return {
        "settings": settings,
        "clock": clock,
        "provider": make_provider(settings, clock=clock),
        "accounts": Accounts(
            settings, make_ledger(settings, clock=clock), make_health(settings, clock=clock), clock
        ),
        "records": TickerRecords(shared_file(settings)),
        "bar_store": BarStore(settings.home / "bars"),
        "quarantine": Quarantine(settings.home / "quarantine"),
        "listener": NoListener(),
        "stages": stages,
        "io_manager": stages,
        "registry": ModelRegistry.from_settings(settings),
    }


def make_ingest(
    settings: Settings,
    *,
    provider: Provider,
    bar_store: BarStore,
    quarantine: Quarantine,
    records: TickerRecords,
    clock: Clock,
) -> Ingest:
    """Return what takes tickers in, with the given resources."""
    return Ingest(
        provider=provider,
        store=bar_store,
        quarantine=quarantine,
        records=records,
        sessions_of=SessionsOf(settings.exchange),
        join_tolerance=settings.join_tolerance,
        clock=clock,
    )
