"""What the settings ask for: the provider with its backups, and what all processes know of them.

A new provider is named here and in `Settings.provider`.
"""

from __future__ import annotations

from pathlib import Path

from core.clock import Clock
from core.errors import SettingsError
from core.settings import Settings
from market.calendars.sessions import Sessions
from market.providers.alpha_vantage.provider import AlphaVantageProvider
from market.providers.alpha_vantage.tiers import budget_of
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.files.provider import FilesProvider
from market.providers.protocol import Provider
from market.providers.sample import SampleProvider
from market.providers.yahoo.provider import BUDGET, YahooProvider
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger


def make_provider(settings: Settings, *, clock: Clock | None = None) -> Provider:
    """Return the provider that `settings` choose; nothing is read or called before it is asked.

    With backups, or where it is asked over the network, it is a `ProviderChain`.

    Parameters
    ----------
    clock
        What budgets, health and waiting go by; the machine's by default.

    Raises
    ------
    SettingsError
        When the exchange is not known, what a provider needs is missing or not installed.
    """
    providers = [_make(name, settings, clock) for name in settings.providers]
    if settings.providers in {("sample",), ("files",)}:
        return providers[0]
    return ProviderChain(providers, make_circuit_breakers(settings, clock=clock))


def make_ledger(settings: Settings, *, clock: Clock | None = None) -> QuotaLedger:
    """Return the ledger of calls that all processes of the home share."""
    return QuotaLedger(database_path(settings), clock)


def make_circuit_breakers(settings: Settings, *, clock: Clock | None = None) -> CircuitBreakers:
    """Return the providers' health as all processes of the home know it."""
    return CircuitBreakers(database_path(settings), clock)


def database_path(settings: Settings) -> Path:
    """Return the SQLite file of the home that holds calls, health and records of tickers."""
    return settings.home / "market.sqlite"


def budgets_of(settings: Settings) -> dict[str, Budget]:
    """Return the budget of each chosen provider that has one, by name, the first one first."""
    budgets = {}
    for name in settings.providers:
        if name == "alpha_vantage":
            budgets[name] = budget_of(settings.alpha_vantage_tier, _key_of(settings))
        if name == "yahoo":
            budgets[name] = BUDGET
    return budgets


def _make(name: str, settings: Settings, clock: Clock | None) -> Provider:
    match name:
        case "sample":
            return SampleProvider()
        case "files":
            if settings.bars is None:
                msg = "`bars` must name a folder or glob for the provider 'files', got None."
                raise SettingsError(msg)
            return FilesProvider(settings.bars, Sessions(settings.exchange))
        case "alpha_vantage":
            return AlphaVantageProvider(
                key=_key_of(settings),
                tier=settings.alpha_vantage_tier,
                url=settings.alpha_vantage_url,
                timeout=settings.provider_timeout,
                ledger=make_ledger(settings, clock=clock),
                clock=clock,
            )
        case "yahoo":
            return YahooProvider(
                url=settings.yahoo_url,
                timeout=settings.provider_timeout,
                ledger=make_ledger(settings, clock=clock),
                clock=clock,
            )
        case other:
            msg = f"`provider` must be sample, files, alpha_vantage or yahoo, got {other!r}."
            raise SettingsError(msg)


def _key_of(settings: Settings) -> str:
    if settings.alpha_vantage_key is None:
        msg = "`alpha_vantage_key` must hold a key for the provider 'alpha_vantage', got None."
        raise SettingsError(msg)
    return settings.alpha_vantage_key.get_secret_value()
