"""How the providers of prices are and what is left of their budgets, as all processes noted it.

Read at the pace of the watch, never in a request. Nothing is asked over the network here, and the
file is never made here: without it, no provider was ever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.clock import Clock
from market.providers.failover.circuit_breaker import BreakerState
from market.providers.status import ProviderStatus, all_down_since
from market.quota.budgets import Usage
from market.settings import MarketSettings


@dataclass(frozen=True)
class Prices:
    """What one look found; nothing while no provider was ever asked.

    `usages` is by provider, so that no digest of a key is shown. `down_since` is when the last of
    all providers that may be asked went down, or None while one of them is up.
    """

    states: tuple[BreakerState, ...] = ()
    usages: Mapping[str, Usage] = field(default_factory=dict)
    down_since: datetime | None = None

    def sentence(self, age: int | None) -> str | None:
        """Say that no provider answers, and how old the bars are that forecasts go on from."""
        if self.down_since is None:
            return None
        names = ", ".join(state.name for state in self.states)
        down = f"No provider of prices answers since {self.down_since:%Y-%m-%d %H:%M} UTC ({names})"
        if age is None:
            return f"{down}."
        sessions = "session" if age == 1 else "sessions"
        return f"{down}; forecasts go on from bars {age} {sessions} old."


class PriceFeed:
    """Looks at the file that all processes of a home share."""

    def __init__(self, settings: MarketSettings, clock: Clock | None = None) -> None:
        self._status = ProviderStatus(settings, clock)

    def look(self) -> Prices:
        """Return what is known now.

        Raises
        ------
        StockcastError
            When the file is damaged, or cannot be used.
        """
        if not self._status.has_records:
            return Prices()
        states = self._status.read()
        return Prices(
            states=tuple(state.breaker for state in states if state.breaker is not None),
            usages={state.name: state.usage for state in states if state.usage is not None},
            down_since=all_down_since(states),
        )
