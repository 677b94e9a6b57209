"""Refusals by the provider."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.quota_calls import MIDNIGHT, START, THREE_A_DAY, make_calls, refusal

from market.quota.budgets import Budget, Window
from market.quota.ledger import QuotaLedger


def test_a_refused_day_stays_refused_until_midnight(
    ledger: QuotaLedger, clock: MovingClock, tmp_path: Path
) -> None:
    make_calls(ledger, 1)

    assert ledger.record_refusal(THREE_A_DAY, until_day_ends=True) == MIDNIGHT

    again = QuotaLedger(tmp_path / "market.sqlite", clock)
    assert refusal(again).renews_at == MIDNIGHT
    assert ledger.usage(THREE_A_DAY).left_today == 0
    # A later refusal of the rate does not end the refusal of the day.
    ledger.record_refusal(THREE_A_DAY, until_day_ends=False)
    clock.advance(seconds=3600)
    assert refusal(ledger).renews_at == MIDNIGHT
    clock.move_to(MIDNIGHT)
    make_calls(ledger, 3)


def test_a_day_without_a_known_limit_can_be_refused(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    budget = Budget("acme", (Window(75, 60.0),), None, "America/New_York")

    ledger.record_refusal(budget, until_day_ends=True)

    assert refusal(ledger, budget).renews_at == MIDNIGHT
    clock.move_to(MIDNIGHT)
    make_calls(ledger, 1, budget)


@pytest.mark.parametrize("hours", [-30, -12, -1, 1, 13, 30])
def test_setting_the_wall_clock_does_not_end_a_refusal(
    ledger: QuotaLedger, clock: MovingClock, hours: int
) -> None:
    make_calls(ledger, 1)
    ledger.record_refusal(THREE_A_DAY, until_day_ends=True)
    clock.advance(hours=2)

    clock.set_wall(clock.now() + timedelta(hours=hours))

    refusal(ledger)


def test_a_refusal_just_after_midnight_holds_for_ten_minutes(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    clock.move_to(MIDNIGHT + timedelta(seconds=2))

    renews_at = ledger.record_refusal(THREE_A_DAY, until_day_ends=True)

    assert renews_at == clock.now() + timedelta(minutes=10) == refusal(ledger).renews_at
    assert ledger.usage(THREE_A_DAY).left_today == 0
    clock.move_to(renews_at)
    make_calls(ledger, 3)


@pytest.mark.parametrize(
    ("windows", "seconds"), [((), 60), ((Window(5, 1.0), Window(9, 90.0)), 90)]
)
def test_a_refusal_of_the_rate_delays_the_next_call(
    ledger: QuotaLedger, clock: MovingClock, windows: tuple[Window, ...], seconds: int
) -> None:
    budget = Budget("acme", windows)

    renews_at = ledger.record_refusal(budget, until_day_ends=False)
    assert ledger.usage(budget).is_refused
    make_calls(ledger, 1, budget)

    assert renews_at == START + timedelta(seconds=seconds)
    assert renews_at <= clock.now() < renews_at + timedelta(seconds=0.1)
