"""How each provider stands: what is left of its budget, and whether it answers. It asks nobody."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from core.clock import Clock
from core.errors import QuotaError
from core.settings import Settings
from market.calendars.exchanges import SessionsByTicker
from market.providers.factory import budgets_of
from market.providers.failover.circuit_breaker import BreakerState, CircuitBreakers
from market.quota.budgets import Budget, Usage
from market.quota.ledger import QuotaLedger

# Providers publish a session's final bar within two hours of the close.
HOURS_AFTER_CLOSE = 2
# Splits and dividends are asked for one after the other.
CALLS_FOR_ACTIONS = 2
HEALTH_WORDS = {"closed": "answers", "open": "down", "half_open": "down, may be tried"}


@dataclass(frozen=True)
class ProviderState:
    """One provider's budget and health; a provider on this machine has neither."""

    name: str
    budget: Budget | None = None
    usage: Usage | None = None
    health: BreakerState | None = None

    def refusal(self, now: datetime, calls: int = 1) -> str | None:
        """Return why so many calls would not be made now, or None when they would."""
        usage, health = self.usage, self.health
        if usage is not None and usage.left_today is not None and usage.left_today < calls:
            spent = f"{usage.made_today} of {usage.per_day} calls are made today"
            kept = ", the others are kept for the next close" if usage.left_today else ""
            return f"{self.name}: {spent}{kept}; the budget renews at {in_utc(usage.renews_at)}"
        if health is not None and health.retry_at is not None and now < health.retry_at:
            return f"{self.name} is down, and is not tried before {in_utc(health.retry_at)}"
        return None


class ProviderStatus:
    """The provider_status of the chosen providers, read anew at each question."""

    def __init__(
        self, settings: Settings, ledger: QuotaLedger, health: CircuitBreakers, clock: Clock
    ) -> None:
        self._names = settings.providers
        self._budgets = budgets_of(settings)
        self._sessions_of = SessionsByTicker(settings.exchange)
        self._ledger = ledger
        self._health = health
        self._clock = clock

    def read(self) -> list[ProviderState]:
        """Return how every provider stands, the first one first."""
        states = {state.name: state for state in self._health.states()}
        return [
            ProviderState(
                name,
                budget=(budget := self._budgets.get(name)),
                usage=self._ledger.usage(budget) if budget else None,
                health=states.get(name),
            )
            for name in self._names
        ]

    def kept_for_bars(self, tickers: Sequence[str]) -> int:
        """Return how many calls of the day the bars will need that come before the budget renews.

        What is overdue leaves these. There is nothing to keep where a backup has no limit a day.
        """
        first, *others = self.read()
        has_more = any(a.usage is not None and a.usage.per_day is None for a in others)
        if first.usage is None or first.usage.per_day is None or has_more:
            return 0
        now = self._clock.now()
        by_then = max(now, first.usage.renews_at - timedelta(hours=HOURS_AFTER_CLOSE))
        exchanges = Counter(map(self._sessions_of, tickers))
        return sum(n for s, n in exchanges.items() if s.last_closed(by_then) > s.last_closed(now))

    def hold_for_bars(self, tickers: Sequence[str]) -> QuotaError | None:
        """Return why splits and dividends must wait for the bars of `tickers`, or None."""
        kept, usage = self.kept_for_bars(tickers), self.read()[0].usage
        if usage is None or usage.left_today is None or kept == 0:
            return None
        if usage.left_today >= kept + CALLS_FOR_ACTIONS:
            return None
        msg = f"The {usage.left_today} calls left today are kept for bars."
        return QuotaError(msg, renews_at=usage.renews_at)


def provider_table(provider_status: Sequence[ProviderState]) -> pl.DataFrame:
    """Return the provider_status for the page of a run."""
    return pl.DataFrame(
        {
            "provider": account.name,
            "made today": usage and usage.made_today,
            "left today": usage and usage.left_today,
            "renews": usage and in_utc(usage.renews_at),
            "health": health and HEALTH_WORDS[health.state],
        }
        for account in provider_status
        for usage, health in [(account.usage, account.health)]
    )


def in_utc(instant: datetime) -> str:
    """Return an instant as people read it."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"
