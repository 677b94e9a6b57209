"""`ProviderSpec`, the registration of one provider. Each provider has its own `spec` module.

A `spec` module stays light: it imports the provider's client only inside `make`, because settings
and the command line read the specs of all providers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from market.quota.budgets import Budget, Window

if TYPE_CHECKING:
    from core.clock import Clock
    from market.providers.protocol import Provider
    from market.quota.ledger import QuotaLedger
    from market.settings import MarketSettings


@dataclass(frozen=True)
class ProviderLimits:
    """Limits of a provider for the configured key or address.

    Attributes
    ----------
    windows, per_day
        Limits on calls; see `market.quota.budgets.Budget`.
    reach
        Number of past sessions that daily bars cover, or None for the whole history.
    has_adjusted
        Whether bars include splits and dividends.
    upgrades
        Higher tiers as pairs of an instruction for the user and the limits, lowest tier first.
    """

    windows: tuple[Window, ...]
    per_day: int | None
    reach: int | None
    has_adjusted: bool
    upgrades: tuple[tuple[str, ProviderLimits], ...] = ()


def _nothing(_: MarketSettings) -> None:
    """Return None, for providers without the optional part of a spec."""


@dataclass(frozen=True)
class ProviderSpec:
    """Registration of one provider.

    Attributes
    ----------
    name
        Value that selects the provider in ``STOCKCAST_PROVIDER`` and ``STOCKCAST_BACKUPS``, and
        `Provider.name`.
    make
        Returns the provider. It must read no file and send no request.
    settings_problem
        Returns the error message when the settings do not fit the provider, such as a missing key,
        or None. The settings call it for every registered provider, selected or not.
    budget
        Returns the budget of calls, or None when the provider has no limits.
    limits
        Returns the limits that `market.ingest.planning.capacity.estimate_capacity` needs, or None
        when the provider publishes none.
    lists_tickers
        Whether `Provider.tickers` returns every ticker. Otherwise the settings must name them.
    serves_quotes
        Whether the provider implements `market.providers.protocol.QuoteProvider`.
    is_remote
        Whether requests go over the network and need a circuit breaker.
    may_be_backup
        Whether ``STOCKCAST_BACKUPS`` may name the provider.
    """

    name: str
    make: Callable[[MarketSettings, QuotaLedger, Clock | None], Provider]
    settings_problem: Callable[[MarketSettings], str | None] = _nothing
    budget: Callable[[MarketSettings], Budget | None] = _nothing
    limits: Callable[[MarketSettings], ProviderLimits | None] = _nothing
    lists_tickers: bool = False
    serves_quotes: bool = False
    is_remote: bool = True
    may_be_backup: bool = True
