"""What was left undone is asked for again when that can succeed: neither twice nor never."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from market.ingest.catch_up import CatchUpPlan, plan_catch_up
from market.ingest.plan import IngestTask
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


def key_with(left: int | None) -> ProviderState:
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
    health = BreakerState("yahoo", "open" if retry_at else "closed", 3, NOW, retry_at, None, "down")
    return ProviderState("yahoo", Budget("yahoo"), None, health)


def look_at(
    *tasks: IngestTask,
    provider_status: tuple[ProviderState, ...] = (key_with(25),),
    now: datetime = NOW,
    **_: Mapping,
) -> CatchUpPlan:
    return plan_catch_up(tasks, {}, provider_status, now)


def test_nothing_is_asked_for_when_nothing_is_due() -> None:
    assert look_at(NOTHING) == CatchUpPlan(None, "Every ticker is up to date.")


def test_a_spent_budget_is_waited_for() -> None:
    chance = look_at(BARS, provider_status=(key_with(0),))

    assert chance.run_key is None
    assert chance.reason == (
        "AAPL is due. alpha_vantage: 25 of 25 calls were made today; "
        "the budget renews at 2013-02-05 05:00 UTC."
    )


def test_splits_and_dividends_alone_wait_for_both_of_their_calls() -> None:
    assert look_at(ACTIONS, provider_status=(key_with(1),)).run_key is None
    assert look_at(ACTIONS, BARS, provider_status=(key_with(1),)).run_key is not None
    assert look_at(ACTIONS, provider_status=(key_with(2),)).run_key is not None


def test_the_same_state_has_the_same_key_until_the_hour_is_over() -> None:
    first = look_at(BARS, ACTIONS)
    again = look_at(ACTIONS, BARS, now=NOW + timedelta(minutes=20))
    later = look_at(BARS, ACTIONS, now=NOW + timedelta(hours=1))

    assert first.run_key == again.run_key
    assert first.run_key != later.run_key


def test_any_progress_makes_another_key() -> None:
    keys = {
        look_at(BARS, ACTIONS).run_key,
        look_at(BARS).run_key,
        look_at(replace(BARS, sessions_behind=2)).run_key,
    }
    assert len(keys) == 3


def test_a_backup_is_asked_once_for_what_it_did_not_have_until_the_first_renews() -> None:
    provider_status = (key_with(0), yahoo())

    keys = {
        look_at(BARS, provider_status=provider_status, now=NOW + timedelta(hours=n))
        for n in range(3)
    }

    assert len(keys) == 1
    assert keys.pop().run_key is not None


def test_while_all_are_down_nothing_is_asked_for() -> None:
    retry_at = NOW + timedelta(minutes=10)
    provider_status = (replace(yahoo(retry_at), name="alpha_vantage"), yahoo(retry_at))

    chance = look_at(BARS, provider_status=provider_status)
    assert chance.run_key is None
    assert "yahoo is down and is not retried before 2013-02-05 01:40 UTC" in chance.reason
    assert look_at(BARS, provider_status=provider_status, now=retry_at).run_key is not None


def test_a_backup_on_this_machine_gives_no_hope_of_anything_newer() -> None:
    assert look_at(BARS, provider_status=(key_with(0), ProviderState("files"))).run_key is None
    assert look_at(BARS, provider_status=(ProviderState("files"),)).run_key is not None


def test_a_ticker_that_failed_by_itself_waits_half_a_day() -> None:
    records = {"AAPL": TickerState("AAPL", failed_at=NOW - timedelta(hours=11))}
    healthy = replace(key_with(25), breaker=replace(DOWN, state="closed", failures=0))

    assert plan_catch_up([BARS], records, [healthy], NOW) == CatchUpPlan(
        None, "AAPL is due, but failed less than 12 hours ago."
    )
    assert plan_catch_up([BARS, ACTIONS], records, [healthy], NOW).run_key is not None
    assert plan_catch_up([BARS], records, [healthy], NOW + timedelta(hours=1)).run_key is not None


def test_a_ticker_that_failed_because_its_provider_was_down_waits_for_that_alone() -> None:
    records = {"AAPL": TickerState("AAPL", failed_at=NOW - timedelta(minutes=5))}
    down = replace(key_with(25), breaker=DOWN)

    assert plan_catch_up([BARS], records, [down], NOW).run_key is not None


def test_actions_leave_the_calls_that_are_kept_for_bars() -> None:
    assert plan_catch_up([ACTIONS], {}, [key_with(21)], NOW, reserved_calls=20).run_key is None
    assert plan_catch_up([ACTIONS], {}, [key_with(22)], NOW, reserved_calls=20).run_key is not None


def test_bars_are_caught_up_at_once_only_where_tonight_has_enough_calls_all_the_same() -> None:
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [key_with(20)], NOW, reserved_calls=20).run_key is None
    )
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [key_with(21)], NOW, reserved_calls=20).run_key
        is not None
    )
    assert (
        plan_catch_up([BARS, ACTIONS], {}, [key_with(1)], NOW, reserved_calls=0).run_key is not None
    )
