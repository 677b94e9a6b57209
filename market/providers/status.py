"""State of each selected provider: budget of calls and circuit breaker. It sends no request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import QuotaError, StockcastError
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.providers.factory import (
    database_path,
    make_circuit_breakers,
    make_ledger,
    selected_budgets,
)
from market.providers.failover.circuit_breaker import BreakerState
from market.quota.budgets import Budget, Usage

if TYPE_CHECKING:
    from market.settings import MarketSettings

# Providers publish the final bar of a session within two hours of the close.
HOURS_AFTER_CLOSE = 2
# Splits and dividends of one ticker need one request each.
CALLS_FOR_ACTIONS = 2
BREAKER_WORDS = {"closed": "up", "open": "down", "half_open": "down, retry allowed"}


@dataclass(frozen=True)
class ProviderState:
    """Budget and circuit breaker of one provider.

    Attributes
    ----------
    budget, usage
        None for a provider without limits, such as one that reads local files.
    breaker
        None until the first request to the provider.
    """

    name: str
    budget: Budget | None = None
    usage: Usage | None = None
    breaker: BreakerState | None = None

    def refusal(self, now: datetime, calls: int = 1) -> str | None:
        """Return the reason why `calls` requests cannot be made at `now`, or None if they can."""
        usage, breaker = self.usage, self.breaker
        if usage is not None and usage.left_today is not None and usage.left_today < calls:
            spent = f"{usage.made_today} of {usage.per_day} calls were made today"
            rest = ", the rest is reserved for the next close" if usage.left_today else ""
            return f"{self.name}: {spent}{rest}; the budget renews at {in_utc(usage.renews_at)}"
        if breaker is not None and breaker.retry_at is not None and now < breaker.retry_at:
            return f"{self.name} is down and is not retried before {in_utc(breaker.retry_at)}"
        return None


class ProviderStatus:
    """Reader of the budgets and circuit breakers of the selected providers.

    Each method reads the SQLite file that all processes with the same home share, so the result is
    never older than the call. Pipelines, the command line and the service use this reader.

    Parameters
    ----------
    clock
        The system clock by default.
    """

    def __init__(self, settings: MarketSettings, clock: Clock | None = None) -> None:
        self._names = settings.providers
        self._budgets = selected_budgets(settings)
        self._sessions_of = SessionsByTicker.of_home(settings)
        self._path = database_path(settings)
        self._ledger = make_ledger(settings, clock=clock)
        self._breakers = make_circuit_breakers(settings, clock=clock)
        self._clock = clock or SystemClock()

    @property
    def has_records(self) -> bool:
        """Whether any process has used a remote provider; `read` creates the file otherwise."""
        return self._path.exists()

    def read(self) -> list[ProviderState]:
        """Return the state of every selected provider, the first provider first."""
        breakers = {state.name: state for state in self._breakers.read_states()}
        return [
            ProviderState(
                name,
                budget=(budget := self._budgets.get(name)),
                usage=self._ledger.usage(budget) if budget else None,
                breaker=breakers.get(name),
            )
            for name in self._names
        ]

    def reserved_for_bars(
        self,
        tickers: Collection[str],
        fetched: Mapping[str, date | None] | None = None,
        *,
        may_use_backup: bool = True,
    ) -> int:
        """Return the number of today's calls that the daily bars of `tickers` still need.

        One call is reserved for each ticker with a session that closes at least
        `HOURS_AFTER_CLOSE` hours before the budget renews, if its bar is not fetched yet. Calls for
        other purposes must leave this number. The result is 0 without a limit per day.

        Parameters
        ----------
        fetched
            Newest fetched session of each ticker. A ticker without a session counts as fetched up
            to the last closed session. Pipelines omit `fetched` because a due session is a task of
            the same run. The service passes the sessions of its snapshot.
        may_use_backup
            If True, the budget is that of the first provider, and nothing is reserved when a
            backup without a limit per day can deliver the bars. If False, it is the budget of the
            first provider with such a limit: a quote can use the backup instead.
        """
        usage = self._limited_usage(may_use_backup=may_use_backup)
        if usage is None:
            return 0
        return self._n_bars_to_fetch(usage, tickers, fetched or {})

    def reserved_from_quotes(self, fetched: Mapping[str, date | None]) -> int:
        """Return the `reserved_calls` of `QuoteProvider.fetch_quote` for the followed tickers.

        These are the calls that other purposes made today, `reserved_for_bars` and the calls for
        the splits and dividends of one ticker. The quota ledger subtracts calls of other purposes,
        including those made after this method returns.

        Parameters
        ----------
        fetched
            See `reserved_for_bars`. Its keys are the followed tickers.
        """
        usage = self._limited_usage(may_use_backup=False)
        if usage is None:
            return 0
        made_by_others = usage.made_today - usage.by_purpose.get("quote", 0)
        actions = max(0, CALLS_FOR_ACTIONS - usage.by_purpose.get("actions", 0))
        return made_by_others + actions + self._n_bars_to_fetch(usage, fetched, fetched)

    def hold_for_bars(self, tickers: Collection[str]) -> QuotaError | None:
        """Return the error that defers splits and dividends for the bars of `tickers`, or None."""
        reserved, usage = self.reserved_for_bars(tickers), self.read()[0].usage
        if usage is None or usage.left_today is None or reserved == 0:
            return None
        if usage.left_today >= reserved + CALLS_FOR_ACTIONS:
            return None
        msg = f"The {usage.left_today} calls left today are reserved for bars."
        return QuotaError(msg, renews_at=usage.renews_at)

    def _limited_usage(self, *, may_use_backup: bool) -> Usage | None:
        """Return the usage of the budget with a limit per day that bars depend on, or None."""
        if all(budget.per_day is None for budget in self._budgets.values()):
            return None
        usages = [state.usage for state in self.read()]
        if may_use_backup:
            first, *others = usages
            is_covered = any(usage is not None and usage.per_day is None for usage in others)
            usages = [] if is_covered else [first]
        return next((u for u in usages if u is not None and u.per_day is not None), None)

    def _n_bars_to_fetch(
        self, usage: Usage, tickers: Collection[str], fetched: Mapping[str, date | None]
    ) -> int:
        now = self._clock.now()
        by_then = max(now, usage.renews_at - timedelta(hours=HOURS_AFTER_CLOSE))
        newest: dict[Sessions, tuple[date, date]] = {}
        n_bars = 0
        for ticker in tickers:
            sessions = self._sessions_of(ticker)
            if sessions not in newest:
                try:
                    newest[sessions] = (sessions.last_closed(by_then), sessions.last_closed(now))
                except StockcastError:  # a calendar that has ended has no session to come
                    newest[sessions] = (date.min, date.min)
            wanted, closed = newest[sessions]
            n_bars += wanted > (fetched.get(ticker) or closed)
        return n_bars


def all_down_since(states: Sequence[ProviderState]) -> datetime | None:
    """Return when the last of the providers went down, or None while any provider is up."""
    since = [
        state.breaker.since
        for state in states
        if state.breaker is not None and state.breaker.state != "closed" and state.breaker.since
    ]
    return max(since) if since and len(since) == len(states) else None


def provider_table(states: Sequence[ProviderState]) -> pl.DataFrame:
    """Return one row per provider for the page of a run."""
    return pl.DataFrame(
        {
            "provider": state.name,
            "made today": usage and usage.made_today,
            "left today": usage and usage.left_today,
            "renews": usage and in_utc(usage.renews_at),
            "health": breaker and BREAKER_WORDS[breaker.state],
        }
        for state in states
        for usage, breaker in [(state.usage, state.breaker)]
    )


def in_utc(instant: datetime) -> str:
    """Return an instant as text in minutes, such as ``2013-03-04 12:30 UTC``."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"
