"""The registered providers, and the objects that the settings select.

To add a provider, write its package with a `spec` module and add one line to `SPECS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.errors import SettingsError
from market.providers import sample
from market.providers.alpha_vantage import spec as alpha_vantage
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.files import spec as files
from market.providers.protocol import Provider
from market.providers.spec import ProviderSpec
from market.providers.yahoo import spec as yahoo
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

if TYPE_CHECKING:
    # The settings import this module to validate names and keys.
    from market.settings import MarketSettings

SPECS = {
    spec.name: spec
    for spec in (
        sample.SPEC,
        files.SPEC,
        alpha_vantage.SPEC,
        yahoo.SPEC,
    )
}


def provider_spec(name: str) -> ProviderSpec:
    """Return the spec of a registered provider.

    Raises
    ------
    SettingsError
        When no provider has this name.
    """
    if name not in SPECS:
        msg = f"`provider` must be one of {', '.join(SPECS)}, got {name!r}."
        raise SettingsError(msg)
    return SPECS[name]


def selected_specs(settings: MarketSettings) -> list[ProviderSpec]:
    """Return the specs of the first provider and of its backups, in the order of the settings."""
    return [provider_spec(name) for name in settings.providers]


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
    return settings.home / "market.sqlite"


def selected_budgets(settings: MarketSettings) -> dict[str, Budget]:
    """Return the budget of each selected provider that has one, by name, first provider first."""
    budgets = {spec.name: spec.budget(settings) for spec in selected_specs(settings)}
    return {name: budget for name, budget in budgets.items() if budget is not None}
