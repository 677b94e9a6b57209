"""Registration of the `sample` provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.providers.spec import ProviderSpec

if TYPE_CHECKING:
    from core.clock import Clock
    from market.providers.sample.provider import SampleProvider
    from market.quota.ledger import QuotaLedger
    from market.settings import MarketSettings


def _make(settings: MarketSettings, ledger: QuotaLedger, clock: Clock | None) -> SampleProvider:  # noqa: ARG001
    from market.providers.sample.provider import SampleProvider  # noqa: PLC0415  # keeps the spec light

    return SampleProvider()


SPEC = ProviderSpec(
    name="sample", make=_make, lists_tickers=True, is_remote=False, may_be_backup=False
)
