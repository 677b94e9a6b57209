"""Terminal output about market data: ingest outcomes, budgets, provider health and capacity."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from rich.console import Console

from market.ingest.outcome import TickerOutcome, summarize_outcomes
from market.ingest.planning.capacity import Capacity, estimate_capacity
from market.providers.catalog import provider_spec
from market.providers.protocol import NotesProvider, Provider
from market.providers.status import BREAKER_WORDS, ProviderState
from market.quota.budgets import Budget, Usage
from market.settings import MarketSettings
from pipelines.partitions import universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings
from stockcast.cli.output.console import print_line
from stockcast.cli.output.tables import print_table

OUTCOME_COLUMNS = ("ticker", "outcome", "last session", "behind", "new bars", "actions to", "notes")
BUDGET_COLUMNS = ("provider", "made today", "left", "renews", "spent on")
HEALTH_COLUMNS = ("provider", "health", "last success", "retry at", "reason")
# Outcomes that may need a person come first.
ORDER = ("failed", "deferred", "ingested", "nothing_new", "up_to_date")
MAX_ROWS = 100


def print_capacity_warning(console: Console, settings: MarketSettings, n_tickers: int) -> None:
    """Print a warning if the key of the first provider is not sufficient for `n_tickers`."""
    capacity = _capacity(settings, n_tickers)
    if capacity is not None and not capacity.keeps_up:
        _print_capacity(console, settings, capacity)


def print_removed(console: Console, removed: Collection[str]) -> None:
    """Print the tickers that were followed until now but are no longer listed, if any."""
    if removed:
        message = (
            f"No longer listed by the provider or the settings: {', '.join(sorted(removed))}. "
            f"Stored bars are kept, but there are no new bars and forecasts."
        )
        print_line(console, message, style="yellow")


def print_provider_notes(console: Console, provider: Provider) -> None:
    """Print which files the provider has skipped, and in which formats it read the others."""
    for note in provider.notes() if isinstance(provider, NotesProvider) else ():
        print_line(console, note)


def print_outcomes(
    console: Console, outcomes: Sequence[TickerOutcome], last_sessions: Mapping[str, date]
) -> None:
    """Print the outcome of each ticker, failures first."""
    ordered = sorted(outcomes, key=lambda o: (ORDER.index(o.outcome), o.ticker))
    rows = [
        _outcome_row(outcome, last_sessions.get(outcome.ticker)) for outcome in ordered[:MAX_ROWS]
    ]
    print_table(console, "", OUTCOME_COLUMNS, rows, has_prose=True)
    if len(ordered) > MAX_ROWS:
        print_line(console, f"... and {len(ordered) - MAX_ROWS:,} more.")
    print_line(console, f"{summarize_outcomes(outcomes)}.")


def print_quota(console: Console, settings: PipelineSettings) -> None:
    """Print the budget and the health of each provider, and whether the key is sufficient."""
    resources = build_resources(settings)
    states = resources["provider_status"].read()
    limited = [state for state in states if state.usage is not None]
    if not limited:
        names = ", ".join(state.name for state in states)
        print_line(console, f"Bars come from local data ({names}), which needs no budget.")
        return
    budget_rows = [
        _budget_row(state.name, state.budget, state.usage)
        for state in states
        if state.budget is not None and state.usage is not None
    ]
    print_table(console, "Budgets of calls", BUDGET_COLUMNS, budget_rows)
    health_rows = [_health_row(state) for state in limited]
    print_table(console, "Health", HEALTH_COLUMNS, health_rows, has_prose=True)
    capacity = _capacity(settings, len(universe(settings, resources["provider"])))
    if capacity is not None:
        _print_capacity(console, settings, capacity)


def _capacity(settings: MarketSettings, n_tickers: int) -> Capacity | None:
    limits = provider_spec(settings.provider).limits(settings)
    return None if limits is None else estimate_capacity(n_tickers, limits)


def _print_capacity(console: Console, settings: MarketSettings, capacity: Capacity) -> None:
    print_line(console, capacity.summary, style="" if capacity.keeps_up else "yellow")
    backups = [name for name in settings.backups if provider_spec(name).is_remote]
    if not capacity.keeps_up and backups:
        print_line(console, f"Requests beyond the limits of the key go to {', '.join(backups)}.")


def _outcome_row(outcome: TickerOutcome, last: date | None) -> list[str]:
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


def _budget_row(name: str, budget: Budget, usage: Usage) -> list[str]:
    has_day = usage.per_day is not None
    provider_time = usage.renews_at.astimezone(ZoneInfo(budget.timezone))
    renews = f"{_local(usage.renews_at)} ({provider_time:%H:%M} {budget.timezone})"
    spent = [f"{purpose} {n:,}" for purpose, n in usage.by_purpose.items() if n]
    return [
        name,
        f"{usage.made_today:,}" + (f" of {usage.per_day:,}" if has_day else ""),
        f"{usage.left_today:,}" if has_day else "no limit",
        renews if has_day or usage.is_refused else "-",
        ", ".join(spent) or "-",
    ]


def _health_row(state: ProviderState) -> list[str]:
    breaker = state.breaker
    if breaker is None:
        return [state.name, "no request yet", "-", "-", "-"]
    return [
        state.name,
        BREAKER_WORDS[breaker.state],
        _local(breaker.last_success) if breaker.last_success else "-",
        _local(breaker.retry_at) if breaker.retry_at else "-",
        breaker.reason or "-",
    ]


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M %Z}"
