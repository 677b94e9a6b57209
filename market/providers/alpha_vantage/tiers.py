"""What each tier of an Alpha Vantage key can do, as published in November 2026."""

from __future__ import annotations

import hashlib
from typing import Literal

from market.providers.spec import ProviderLimits
from market.quota.budgets import Budget, Window

Tier = Literal["free", "premium_75", "premium_150", "premium_300", "premium_600", "premium_1200"]

# Not published. Its data are dated in this zone, and keys are seen to renew at its midnight.
TIMEZONE = "America/New_York"
COMPACT = 100


def tier_limits(tier: Tier) -> ProviderLimits:
    """Return the limits of a tier."""
    if tier == "free":
        # A burst is refused too, though only the day is published.
        windows = (Window(1, 1.0), Window(5, 60.0))
        return ProviderLimits(windows, per_day=25, reach=COMPACT, has_adjusted=False)
    calls = int(tier.removeprefix("premium_"))
    # Not published: refusals of bursts name 5 calls a second for small plans, 30 for the largest.
    windows = (Window(max(5, calls // 40), 1.0), Window(calls, 60.0))
    return ProviderLimits(windows, per_day=None, reach=None, has_adjusted=True)


def key_budget(tier: Tier, key: str) -> Budget:
    """Return the budget of a key; its account is named by a digest that does not tell the key."""
    limits = tier_limits(tier)
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return Budget(f"alpha_vantage:{digest}", limits.windows, limits.per_day, TIMEZONE)
