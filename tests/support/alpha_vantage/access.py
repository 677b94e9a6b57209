"""A provider that sends its requests to the emulator."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from support.alpha_vantage.emulator import FREE_KEY, PREMIUM_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock

from market.providers.alpha_vantage.provider import AlphaVantageProvider
from market.providers.alpha_vantage.tiers import Tier
from market.providers.protocol import SessionRange
from market.quota.ledger import QuotaLedger

# A Friday evening of the sample, after the close.
EVENING = datetime(2012, 6, 1, 22, tzinfo=UTC)
FRIDAY = date(2012, 6, 1)
TWENTY = SessionRange(start=date(2012, 5, 4), n_sessions=20)


def evening_clock() -> MovingClock:
    return MovingClock(EVENING)


def connect(
    emulator: AlphaVantageEmulator,
    home: Path,
    *,
    tier: Tier = "free",
    key: str | None = None,
    timeout: float = 5.0,
    url: str | None = None,
) -> AlphaVantageProvider:
    """Return a provider with the clock of the emulator and the ledger of a home."""
    clock = emulator.clock
    return AlphaVantageProvider(
        key=key or (FREE_KEY if tier == "free" else PREMIUM_KEY),
        tier=tier,
        url=url or emulator.url,
        timeout=timeout,
        ledger=QuotaLedger(home / "market.sqlite", clock),
        clock=clock,
    )
