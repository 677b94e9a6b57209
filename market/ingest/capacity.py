"""Whether a key can keep up with a number of tickers, beforehand. Pure.

What is due of each ticker is `planning`; what a tier allows `providers.tiers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from market.ingest.plan import ACTIONS_EVERY
from market.providers.alpha_vantage.tiers import Tier, tier_limits
from market.providers.spec import ProviderLimits

# Bars are published within two hours of a close, and the next session opens 17.5 hours after it.
_HOURS_A_NIGHT = 15.5
_CALLS_FOR_ACTIONS = 2
# Sessions of a reach that the overlap with stored bars and a turn of luck must leave.
_SPARE_REACH = 10


@dataclass(frozen=True)
class Capacity:
    """How a number of tickers and the limits of a key go together.

    Attributes
    ----------
    calls_per_session
        Calls that all tickers together need for one session.
    max_tickers
        How many tickers can be kept up to date.
    sessions_behind
        How far the last ticker is behind when a day's calls are spent; 0 when the key keeps up.
    summary
        All of that for a person, and what to do.
    """

    calls_per_session: float
    max_tickers: int
    sessions_behind: int
    summary: str

    @property
    def keeps_up(self) -> bool:
        """Whether every ticker can be brought up to date every session."""
        return self.sessions_behind == 0


def estimate_capacity(n_tickers: int, limits: ProviderLimits) -> Capacity:
    """Say whether limits allow to follow so many tickers, how far behind it runs, and what to do.

    Each ticker costs one call a session, and two more every `ACTIONS_EVERY` sessions where bars
    come without splits and dividends. What days without a session leave is not counted on: it
    brings new tickers' actions and makes up for failures.

    Parameters
    ----------
    limits
        Of the key's tier; see `tier_limits`.
    """
    each = _calls_of_one(limits)
    calls, capacity = n_tickers * each, _capacity(limits)
    need = f"{n_tickers} tickers need {calls:.1f} calls a session"
    if n_tickers <= capacity:
        summary = f"{need}; the key can follow up to {capacity:,} tickers."
        return Capacity(calls, capacity, 0, summary)
    behind = math.ceil(calls / (capacity * each) - 1e-9) - 1 if capacity else n_tickers
    behind = max(1, behind)
    summary = (
        f"{need}, but the key can follow {capacity:,} tickers: bars would run up to {behind} "
        f"session{'s' if behind > 1 else ''} behind. {_advice(n_tickers, limits, behind)}"
    )
    return Capacity(calls, capacity, behind, summary)


def _advice(n_tickers: int, limits: ProviderLimits, behind: int) -> str:
    capacity = _capacity(limits)
    tier = next(
        (tier for tier in get_args(Tier) if _capacity(tier_limits(tier)) >= n_tickers), None
    )
    ways = [f"follow {capacity:,} tickers or fewer"]
    if tier is not None:
        ways.append(f"get a premium key and set STOCKCAST_ALPHA_VANTAGE_TIER={tier}")
    if limits.reach is None or behind + _SPARE_REACH < limits.reach:
        ways.append("leave it so: the tickers that are most behind always come first")
    return f"Either {', or '.join(ways)}."


def _calls_of_one(limits: ProviderLimits) -> float:
    return 1.0 if limits.has_adjusted else 1.0 + _CALLS_FOR_ACTIONS / ACTIONS_EVERY


def _capacity(limits: ProviderLimits) -> int:
    """Return how many tickers the limits allow; by the minute, within a night."""
    night = _HOURS_A_NIGHT * 3600
    calls = [window.calls / window.seconds * night for window in limits.windows]
    if limits.per_day is not None:
        calls.append(limits.per_day)
    return math.floor(min(calls) / _calls_of_one(limits))
