"""Registration of the `alpha_vantage` provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.providers.alpha_vantage.tiers import key_budget, tier_limits
from market.providers.spec import ProviderLimits, ProviderSpec

if TYPE_CHECKING:
    from core.clock import Clock
    from market.providers.alpha_vantage.provider import AlphaVantageProvider
    from market.quota.budgets import Budget
    from market.quota.ledger import QuotaLedger
    from market.settings import MarketSettings


def _make(
    settings: MarketSettings, ledger: QuotaLedger, clock: Clock | None
) -> AlphaVantageProvider:
    from market.calendars.exchanges import SessionsByTicker  # noqa: PLC0415  # keeps the spec light
    from market.providers.alpha_vantage.provider import AlphaVantageProvider  # noqa: PLC0415

    return AlphaVantageProvider(
        key=_key(settings),
        tier=settings.alpha_vantage_tier,
        url=settings.alpha_vantage_url,
        timeout=settings.provider_timeout,
        ledger=ledger,
        sessions_of=SessionsByTicker.of_home(settings),
        clock=clock,
    )


def _settings_problem(settings: MarketSettings) -> str | None:
    if "alpha_vantage" not in settings.providers or settings.alpha_vantage_key:
        return None
    return (
        "STOCKCAST_ALPHA_VANTAGE_KEY must hold your key for the provider 'alpha_vantage'; "
        "get a free key at https://www.alphavantage.co/support/#api-key"
    )


def _budget(settings: MarketSettings) -> Budget:
    return key_budget(settings.alpha_vantage_tier, _key(settings))


def _limits(settings: MarketSettings) -> ProviderLimits:
    return tier_limits(settings.alpha_vantage_tier)


def _key(settings: MarketSettings) -> str:
    key = settings.alpha_vantage_key
    return "" if key is None else key.get_secret_value()


SPEC = ProviderSpec(
    name="alpha_vantage",
    make=_make,
    settings_problem=_settings_problem,
    budget=_budget,
    limits=_limits,
    serves_quotes=True,
)
