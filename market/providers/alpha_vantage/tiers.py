"""Limits of the tiers of Alpha Vantage keys, as published in November 2026."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Literal, get_args

from market.providers.spec import ProviderLimits
from market.quota.budgets import Budget, Window

Tier = Literal["free", "premium_75", "premium_150", "premium_300", "premium_600", "premium_1200"]

# Not published. Data are dated in this zone, and budgets were observed to renew at its midnight.
TIMEZONE = "America/New_York"
# Sessions of a response with ``outputsize=compact``.
COMPACT = 100


def tier_limits(tier: Tier) -> ProviderLimits:
    """Return the limits of a tier, with those of all higher tiers as upgrades."""
    tiers: tuple[Tier, ...] = get_args(Tier)
    upgrades = tuple(
        (f"get a premium key and set STOCKCAST_ALPHA_VANTAGE_TIER={higher}", _own_limits(higher))
        for higher in tiers[tiers.index(tier) + 1 :]
    )
    return replace(_own_limits(tier), upgrades=upgrades)


def key_budget(tier: Tier, key: str) -> Budget:
    """Return the budget of a key. Its account contains a digest of the key, not the key."""
    limits = _own_limits(tier)
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return Budget(f"alpha_vantage:{digest}", limits.windows, limits.per_day, TIMEZONE)


def _own_limits(tier: Tier) -> ProviderLimits:
    if tier == "free":
        # Only the limit per day is published, but bursts are refused too.
        windows = (Window(1, 1.0), Window(5, 60.0))
        return ProviderLimits(windows, per_day=25, reach=COMPACT, has_adjusted=False)
    calls = int(tier.removeprefix("premium_"))
    # Not published: refusals name 5 calls per second for small plans and 30 for the largest.
    windows = (Window(max(5, calls // 40), 1.0), Window(calls, 60.0))
    return ProviderLimits(windows, per_day=None, reach=None, has_adjusted=True)
