"""Estimate of the number of tickers that the limits of a key can keep up to date.

`market.ingest.planning.plan` plans the tasks. The spec of a provider has the limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from market.ingest.planning.ticker_plan import ACTIONS_EVERY
from market.providers.spec import ProviderLimits
from market.providers.status import CALLS_FOR_ACTIONS

# Bars are published within two hours of the close, and the next session opens 17.5 hours after it.
_HOURS_PER_NIGHT = 15.5
# Sessions of the reach that are left for the overlap with stored bars and for failed requests.
_SPARE_REACH = 10


@dataclass(frozen=True)
class Capacity:
    """The capacity of a key for a number of tickers.

    Attributes
    ----------
    calls_per_session
        Calls that all tickers need per session.
    max_tickers
        Largest number of tickers that the key keeps up to date.
    sessions_behind
        Sessions by which the last ticker is behind when the calls of a day are spent, 0 if the key
        keeps up.
    summary
        Sentences with these numbers and the remedies.
    """

    calls_per_session: float
    max_tickers: int
    sessions_behind: int
    summary: str

    @property
    def keeps_up(self) -> bool:
        """Whether every ticker is up to date after every session."""
        return self.sessions_behind == 0


def estimate_capacity(n_tickers: int, limits: ProviderLimits) -> Capacity:
    """Estimate whether the limits of a key suffice for a number of tickers.

    Each ticker costs one call per session, and two more every `ACTIONS_EVERY` sessions if bars
    lack splits and dividends. Calls on days without a session are not counted: they are a reserve
    for new tickers and failed requests.

    Parameters
    ----------
    limits
        Limits of the key; see `market.providers.spec.ProviderSpec.limits`.
    """
    per_ticker = _calls_per_ticker(limits)
    calls, max_tickers = n_tickers * per_ticker, _max_tickers(limits)
    need = f"{n_tickers} tickers need {calls:.1f} calls per session"
    if n_tickers <= max_tickers:
        summary = f"{need}; the key can follow up to {max_tickers:,} tickers."
        return Capacity(calls, max_tickers, 0, summary)
    behind = n_tickers
    if max_tickers:
        behind = math.ceil(calls / (max_tickers * per_ticker) - 1e-9) - 1
    behind = max(1, behind)
    summary = (
        f"{need}, but the key can follow {max_tickers:,} tickers: bars would be up to {behind} "
        f"session{'s' if behind > 1 else ''} behind. {_advice(n_tickers, limits, behind)}"
    )
    return Capacity(calls, max_tickers, behind, summary)


def _advice(n_tickers: int, limits: ProviderLimits, behind: int) -> str:
    remedies = [f"follow {_max_tickers(limits):,} tickers or fewer"]
    sufficient = (advice for advice, tier in limits.upgrades if _max_tickers(tier) >= n_tickers)
    if upgrade := next(sufficient, None):
        remedies.append(upgrade)
    if limits.reach is None or behind + _SPARE_REACH < limits.reach:
        remedies.append("accept the delay: the tickers that are most behind always come first")
    return f"Either {', or '.join(remedies)}."


def _calls_per_ticker(limits: ProviderLimits) -> float:
    return 1.0 if limits.has_adjusted else 1.0 + CALLS_FOR_ACTIONS / ACTIONS_EVERY


def _max_tickers(limits: ProviderLimits) -> int:
    """Return the number of tickers that the limits allow in one night."""
    seconds = _HOURS_PER_NIGHT * 3600
    calls = [window.calls / window.seconds * seconds for window in limits.windows]
    if limits.per_day is not None:
        calls.append(limits.per_day)
    return math.floor(min(calls) / _calls_per_ticker(limits))
