"""How each provider stands: what is left of its budget, and whether it answers. It asks nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from market.budgets import Budget, Usage
from market.health import HealthState, ProviderHealth
from market.providers.factory import budgets_of
from market.quota import QuotaLedger
from market.settings import Settings

HEALTH_WORDS = {"closed": "answers", "open": "down", "half_open": "down, may be tried"}


@dataclass(frozen=True)
class Account:
    """One provider's budget and health; a provider on this machine has neither."""

    name: str
    budget: Budget | None = None
    usage: Usage | None = None
    health: HealthState | None = None

    def refusal(self, now: datetime, calls: int = 1) -> str | None:
        """Return why so many calls would not be made now, or None when they would."""
        usage, health = self.usage, self.health
        if usage is not None and usage.left_today is not None and usage.left_today < calls:
            spent = f"{usage.made_today} of {usage.per_day} calls are made today"
            return f"{self.name}: {spent}, and the budget renews at {in_utc(usage.renews_at)}"
        if health is not None and health.retry_at is not None and now < health.retry_at:
            return f"{self.name} is down, and is not tried before {in_utc(health.retry_at)}"
        return None


def accounts_of(settings: Settings, ledger: QuotaLedger, health: ProviderHealth) -> list[Account]:
    """Return how every chosen provider stands, the first one first."""
    budgets = budgets_of(settings)
    states = {state.name: state for state in health.states()}
    return [
        Account(
            name,
            budget=(budget := budgets.get(name)),
            usage=ledger.usage(budget) if budget else None,
            health=states.get(name),
        )
        for name in settings.providers
    ]


def accounts_table(accounts: Sequence[Account]) -> pl.DataFrame:
    """Return the accounts for the page of a run."""
    return pl.DataFrame(
        {
            "provider": account.name,
            "made today": usage and usage.made_today,
            "left today": usage and usage.left_today,
            "renews": usage and in_utc(usage.renews_at),
            "health": health and HEALTH_WORDS[health.state],
        }
        for account in accounts
        for usage, health in [(account.usage, account.health)]
    )


def in_utc(instant: datetime) -> str:
    """Return an instant as people read it."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"
