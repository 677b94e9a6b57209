"""Catch-up runs start when they can make progress, once per state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from market.ingest.planning.catch_up import CatchUpPlan, plan_catch_up
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.ticker_state import TickerState
from market.providers.failover.circuit_breaker import BreakerState
from market.providers.status import ProviderState
from market.quota.budgets import Budget, Usage

NOW = datetime(2013, 2, 5, 1, 30, tzinfo=UTC)
RENEWS = datetime(2013, 2, 5, 5, tzinfo=UTC)
BARS = IngestTask("AAPL", kind="bars", sessions_behind=1, reason="")
ACTIONS = IngestTask("IBM", kind="actions", sessions_behind=0, reason="")
DOWN = BreakerState("alpha_vantage", "open", 3, NOW, NOW, None, "no answer")
NOTHING = IngestTask("MSFT", kind="nothing", sessions_behind=0, reason="")


def alpha_vantage(left: int | None) -> ProviderState:
    usage = Usage(
        account="alpha_vantage:1",
        made_today=25 - (left or 0),
        per_day=None if left is None else 25,
        left_today=left,
        windows=(),
        renews_at=RENEWS,
        by_purpose={},
        is_refused=False,
        waiting=0,
    )
    return ProviderState("alpha_vantage", Budget("alpha_vantage:1"), usage)


def yahoo(retry_at: datetime | None = None) -> ProviderState:
    breaker = BreakerState(
        "yahoo", "open" if retry_at else "closed", 3, NOW, retry_at, None, "down"
    )
    return ProviderState("yahoo", Budget("yahoo"), None, breaker)


def plan_for(
    *tasks: IngestTask,
    provider_status: tuple[ProviderState, ...] = (alpha_vantage(25),),
    now: datetime = NOW,
    **_: Mapping,
) -> CatchUpPlan:
    return plan_catch_up(tasks, {}, provider_status, now)


def test_no_run_without_due_tasks() -> None:
    assert plan_for(NOTHING) == CatchUpPlan(None, "Every ticker is up to date.")


def test_no_run_while_the_budget_is_spent() -> None:
    plan = plan_for(BARS, provider_status=(alpha_vantage(0),))

    assert plan.run_key is None
    assert plan.reason == (
        "AAPL is due. alpha_vantage: 25 of 25 calls were made today; "
        "the budget renews at 2013-02-05 05:00 UTC."
    )


def test_actions_need_two_calls() -> None:
    assert plan_for(ACTIONS, provider_status=(alpha_vantage(1),)).run_key is None
    assert plan_for(ACTIONS, BARS, provider_status=(alpha_vantage(1),)).run_key is not None
    assert plan_for(ACTIONS, provider_status=(alpha_vantage(2),)).run_key is not None


def test_run_key_is_stable_within_an_hour() -> None:
    first = plan_for(BARS, ACTIONS)
    again = plan_for(ACTIONS, BARS, now=NOW + timedelta(minutes=20))
    later = plan_for(BARS, ACTIONS, now=NOW + timedelta(hours=1))

    assert first.run_key == again.run_key
    assert first.run_key != later.run_key


def test_progress_changes_the_run_key() -> None:
    keys = {
        plan_for(BARS, ACTIONS).run_key,
        plan_for(BARS).run_key,
        plan_for(replace(BARS, sessions_behind=2)).run_key,
    }
    assert len(keys) == 3


def test_backups_are_tried_once_until_the_first_provider_renews() -> None:
    provider_status = (alpha_vantage(0), yahoo())

    keys = {
        plan_for(BARS, provider_status=provider_status, now=NOW + timedelta(hours=n))
        for n in range(3)
    }

    assert len(keys) == 1
    assert keys.pop().run_key is not None


def test_no_run_while_all_providers_are_down() -> None:
    retry_at = NOW + timedelta(minutes=10)
    provider_status = (replace(yahoo(retry_at), name="alpha_vantage"), yahoo(retry_at))

    plan = plan_for(BARS, provider_status=provider_status)
    assert plan.run_key is None
    assert "yahoo is down and is not retried before 2013-02-05 01:40 UTC" in plan.reason
    assert plan_for(BARS, provider_status=provider_status, now=retry_at).run_key is not None


def test_local_backup_does_not_start_a_run() -> None:
    assert (
        plan_for(BARS, provider_status=(alpha_vantage(0), ProviderState("files"))).run_key is None
    )
    assert plan_for(BARS, provider_status=(ProviderState("files"),)).run_key is not None


def test_failed_ticker_is_retried_after_12_hours() -> None:
    states = {"AAPL": TickerState("AAPL", failed_at=NOW - timedelta(hours=11))}
    healthy = replace(alpha_vantage(25), breaker=replace(DOWN, state="closed", failures=0))

    assert plan_catch_up([BARS], states, [healthy], NOW) == CatchUpPlan(
        None, "AAPL is due, but failed less than 12 hours ago."
    )
    assert plan_catch_up([BARS, ACTIONS], states, [healthy], NOW).run_key is not None
    assert plan_catch_up([BARS], states, [healthy], NOW + timedelta(hours=1)).run_key is not None


def test_ticker_that_failed_with_its_provider_is_not_backed_off() -> None:
    states = {"AAPL": TickerState("AAPL", failed_at=NOW - timedelta(minutes=5))}
    down = replace(alpha_vantage(25), breaker=DOWN)

    assert plan_catch_up([BARS], states, [down], NOW).run_key is not None


def test_actions_leave_the_calls_reserved_for_bars() -> None:
    assert plan_catch_up([ACTIONS], {}, [alpha_vantage(21)], NOW, reserved_calls=20).run_key is None
    assert (
        plan_catch_up([ACTIONS], {}, [alpha_vantage(22)], NOW, reserved_calls=20).run_key
        is not None
    )


def test_bars_leave_the_calls_reserved_for_the_next_close() -> None:
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [alpha_vantage(20)], NOW, reserved_calls=20).run_key
        is None
    )
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [alpha_vantage(21)], NOW, reserved_calls=20).run_key
        is not None
    )
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [alpha_vantage(1)], NOW, reserved_calls=0).run_key
        is not None
    )
