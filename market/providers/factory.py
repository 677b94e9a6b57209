"""Construction of the providers, ledger and circuit breakers that the settings select."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.errors import SettingsError
from market.calendars.exchanges import DATABASE
from market.providers.catalog import selected_specs
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.protocol import Provider
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

if TYPE_CHECKING:
    from market.settings import MarketSettings


def make_provider(settings: MarketSettings, *, clock: Clock | None = None) -> Provider:
    """Return the provider that `settings` select, with its backups.

    The result is a `ProviderChain` when the provider is remote or has backups. No file is read and
    no request is sent until the first method call.

    Parameters
    ----------
    clock
        Clock for budgets, circuit breakers and waits; the system clock by default.

    Raises
    ------
    SettingsError
        When a name or the exchange is not known, a required setting is missing, or the package of
        a provider is not installed.
    """
    specs = selected_specs(settings)
    for spec in specs:
        if problem := spec.settings_problem(settings):
            raise SettingsError(problem)
    ledger = make_ledger(settings, clock=clock)
    providers = [spec.make(settings, ledger, clock) for spec in specs]
    if len(specs) == 1 and not specs[0].is_remote:
        return providers[0]
    return ProviderChain(providers, make_circuit_breakers(settings, clock=clock))


def make_ledger(settings: MarketSettings, *, clock: Clock | None = None) -> QuotaLedger:
    """Return the quota ledger that all processes with the same home share."""
    return QuotaLedger(database_path(settings), clock)


def make_circuit_breakers(
    settings: MarketSettings, *, clock: Clock | None = None
) -> CircuitBreakers:
    """Return the circuit breakers that all processes with the same home share."""
    return CircuitBreakers(database_path(settings), clock)


def database_path(settings: MarketSettings) -> Path:
    """Return the path of the SQLite file with calls, circuit breakers and ticker records."""
    return settings.home / DATABASE


def selected_budgets(settings: MarketSettings) -> dict[str, Budget]:
    """Return the budget of each selected provider that has one, by name, first provider first."""
    budgets = {spec.name: spec.budget(settings) for spec in selected_specs(settings)}
    return {name: budget for name, budget in budgets.items() if budget is not None}
