"""Usage and list of recorded calls."""

from datetime import UTC, timedelta

import polars as pl
from support.clocks.moving_clock import MovingClock
from support.market.quota_calls import MIDNIGHT, START, THREE_A_DAY, make_calls

from market.quota.budgets import Budget, Usage, Window, WindowUse
from market.quota.ledger import QuotaLedger


def test_usage_of_a_budget(ledger: QuotaLedger, clock: MovingClock) -> None:
    budget = Budget("acme", (Window(2, 1.0), Window(5, 60.0)), 25, "America/New_York")
    clock.advance(days=-1)
    make_calls(ledger, 1, budget)
    clock.advance(days=1)
    make_calls(ledger, 2, budget)
    clock.advance(seconds=30)
    make_calls(ledger, 1, budget, "quote")

    assert ledger.usage(budget) == Usage(
        account="acme",
        made_today=3,
        per_day=25,
        left_today=22,
        windows=(WindowUse(1, 2, 1.0), WindowUse(3, 5, 60.0)),
        renews_at=MIDNIGHT,
        by_purpose={"ingest": 2, "quote": 1},
        is_refused=False,
        waiting=0,
    )


def test_a_budget_without_a_limit_per_day(ledger: QuotaLedger) -> None:
    budget = Budget("yahoo", (Window(3, 1.0),))
    make_calls(ledger, 2, budget)

    usage = ledger.usage(budget)

    assert (usage.made_today, usage.per_day, usage.left_today) == (2, None, None)


def test_calls_are_listed_with_time_purpose_and_ticker(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    with ledger.call(THREE_A_DAY, purpose="ingest", ticker="AAPL"):
        clock.advance(seconds=3)
    with ledger.call(THREE_A_DAY, purpose="search"):
        pass

    calls = ledger.calls(THREE_A_DAY, START)

    assert calls.rows() == [
        (START.astimezone(UTC), "ingest", "AAPL"),
        (START.astimezone(UTC) + timedelta(seconds=3), "search", ""),
    ]
    assert calls.schema["at"] == pl.Datetime("us", "UTC")
    assert ledger.calls(THREE_A_DAY, clock.now()).height == 1
    assert ledger.calls(Budget("other"), START).is_empty()


def test_old_calls_are_dropped(ledger: QuotaLedger, clock: MovingClock) -> None:
    budget = Budget("acme")
    with ledger._database.transaction() as db:
        long_ago = (START - timedelta(days=50)).timestamp()
        row = ("acme", "ingest", "", "older", 1.0, long_ago, 1.0, long_ago, 1)
        db.executemany(
            "INSERT INTO calls (account, purpose, ticker, boot, began, began_wall, ended, "
            "ended_wall, is_done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [row] * 1999,
        )
    clock.advance(seconds=3600)

    make_calls(ledger, 1, budget)

    assert ledger.calls(budget, START - timedelta(days=100)).height == 1001
