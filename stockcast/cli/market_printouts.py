"""What the command line shows of market data: advice, what came in, budgets and health."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from textwrap import shorten
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from market.ingest.batch import TickerOutcome, summarize_outcomes
from market.ingest.capacity import Capacity, estimate_capacity
from market.providers.catalog import provider_spec
from market.providers.status import BREAKER_WORDS, ProviderState
from market.quota.budgets import Budget, Usage
from market.settings import MarketSettings
from pipelines.partitions import universe
from pipelines.reporting.tables import terminal_table
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings

ROUND = ("ticker", "outcome", "last session", "behind", "new bars", "actions to", "notes")
BUDGETS = ("provider", "made today", "left", "renews", "spent on")
HEALTH = ("provider", "health", "last answer", "tried again", "why")
ORDER = ("failed", "deferred", "ingested", "nothing_new", "up_to_date")
MOST_ROWS = 100
# Columns of characters that the others take.
WITHOUT_NOTES = 86
BESIDE_REASONS = 84
LEAST_FOR_NOTES = 20
AS_WRITTEN: Any = {"highlight": False, "markup": False, "soft_wrap": True}


def print_advice(console: Console, settings: MarketSettings, n_tickers: int) -> None:
    """Print it beforehand when the first provider's key cannot keep up with so many tickers."""
    found = _capacity_of(settings, n_tickers)
    if found is not None and not found.keeps_up:
        _print_sentence(console, settings, found)


def _capacity_of(settings: MarketSettings, n_tickers: int) -> Capacity | None:
    limits = provider_spec(settings.provider).limits(settings)
    return None if limits is None else estimate_capacity(n_tickers, limits)


def _print_sentence(console: Console, settings: MarketSettings, found: Capacity) -> None:
    console.print(found.summary, style="" if found.keeps_up else "yellow", **AS_WRITTEN)
    backups = [name for name in settings.backups if provider_spec(name).is_remote]
    if not found.keeps_up and backups:
        message = f"Requests beyond the limits of the key go to {', '.join(backups)}."
        console.print(message, **AS_WRITTEN)


def print_batch(
    console: Console, outcomes: Sequence[TickerOutcome], last_sessions: Mapping[str, date]
) -> None:
    """Print what became of each ticker, those that need a look first."""
    ordered = sorted(outcomes, key=lambda o: (ORDER.index(o.outcome), o.ticker))
    rows = [
        _batch_row(outcome, last_sessions.get(outcome.ticker)) for outcome in ordered[:MOST_ROWS]
    ]
    room = console.width - WITHOUT_NOTES
    if room < LEAST_FOR_NOTES:
        console.print(terminal_table("", ROUND[:-1], [row[:-1] for row in rows]))
    else:
        shown = [[*row[:-1], shorten(row[-1], room, placeholder=" …")] for row in rows]
        console.print(terminal_table("", ROUND, shown))
    if len(ordered) > MOST_ROWS:
        console.print(f"… and {len(ordered) - MOST_ROWS:,} more.")
    console.print(f"{summarize_outcomes(outcomes)}.", highlight=False)


def _batch_row(outcome: TickerOutcome, last: date | None) -> list[str]:
    report = outcome.report
    through = None if report is None else report.actions_through
    return [
        outcome.ticker,
        outcome.label,
        str(last or "-"),
        "-" if outcome.sessions_behind is None else str(outcome.sessions_behind),
        outcome.new_bars or "-",
        str(through or "not known") if report else "-",
        outcome.notes or "-",
    ]


def print_quota(console: Console, settings: PipelineSettings) -> None:
    """Print what is left of each budget, whether its provider answers, and whether it is enough."""
    resources = build_resources(settings)
    provider_status = resources["provider_status"].read()
    limited = [account for account in provider_status if account.usage is not None]
    if not limited:
        names = ", ".join(account.name for account in provider_status)
        console.print(f"Bars come from {names}, on this machine: no budget is needed.")
        return
    rows = [
        _budget_row(account.name, account.budget, account.usage)
        for account in provider_status
        if account.budget is not None and account.usage is not None
    ]
    console.print(terminal_table("Budgets of calls", BUDGETS, rows))
    room = max(LEAST_FOR_NOTES, console.width - BESIDE_REASONS)
    rows = [
        [*row[:-1], shorten(row[-1], room, placeholder=" …")] for row in map(_health_row, limited)
    ]
    console.print(terminal_table("Health", HEALTH, rows))
    found = _capacity_of(settings, len(universe(settings, resources["provider"])))
    if found is not None:
        _print_sentence(console, settings, found)


def _budget_row(name: str, budget: Budget, usage: Usage) -> list[str]:
    has_day = usage.per_day is not None
    there = f"{usage.renews_at.astimezone(ZoneInfo(budget.timezone)):%H:%M} {budget.timezone}"
    spent = [f"{purpose} {n:,}" for purpose, n in usage.by_purpose.items() if n]
    return [
        name,
        f"{usage.made_today:,}" + (f" of {usage.per_day:,}" if has_day else ""),
        f"{usage.left_today:,}" if has_day else "no limit",
        f"{_local(usage.renews_at)} ({there})" if has_day or usage.is_refused else "-",
        ", ".join(spent) or "-",
    ]


def _health_row(account: ProviderState) -> list[str]:
    breaker = account.breaker
    if breaker is None:
        return [account.name, "not asked yet", "-", "-", "-"]
    return [
        account.name,
        BREAKER_WORDS[breaker.state],
        _local(breaker.last_success) if breaker.last_success else "-",
        _local(breaker.retry_at) if breaker.retry_at else "-",
        breaker.reason or "-",
    ]


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M %Z}"
