"""Registration of the `yahoo` provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.providers.spec import ProviderSpec
from market.providers.yahoo.limits import BUDGET

if TYPE_CHECKING:
    from core.clock import Clock
    from market.providers.yahoo.provider import YahooProvider
    from market.quota.budgets import Budget
    from market.quota.ledger import QuotaLedger
    from market.settings import MarketSettings


def _make(settings: MarketSettings, ledger: QuotaLedger, clock: Clock | None) -> YahooProvider:
    from market.calendars.exchanges import SessionsByTicker  # noqa: PLC0415  # keeps the spec light
    from market.providers.yahoo.provider import YahooProvider  # noqa: PLC0415

    return YahooProvider(
        url=settings.yahoo_url,
        timeout=settings.provider_timeout,
        ledger=ledger,
        sessions_of=SessionsByTicker.of_home(settings),
        clock=clock,
    )


def _budget(_: MarketSettings) -> Budget:
    return BUDGET


SPEC = ProviderSpec(name="yahoo", make=_make, budget=_budget, serves_quotes=True)
