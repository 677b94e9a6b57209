"""The provider's day: time zone, daylight saving time, reserved calls."""

from datetime import UTC, datetime, timedelta

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.quota_calls import MIDNIGHT, NEW_YORK, START, THREE_A_DAY, make_calls, refusal

from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger


def test_a_spent_day_renews_at_the_midnight_of_the_providers_zone(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    make_calls(ledger, 3)

    refused = refusal(ledger)

    assert refused.renews_at == MIDNIGHT
    assert str(refused) == (
        "All 3 calls per day of `acme` are used (made: 3 ingest); "
        "the next call is allowed at 2026-11-24 05:00:00 UTC."
    )
    clock.move_to(MIDNIGHT - timedelta(seconds=1))
    assert refusal(ledger).renews_at == MIDNIGHT
    clock.move_to(MIDNIGHT)
    make_calls(ledger, 3)


@pytest.mark.parametrize(
    ("noon", "hours"), [((2026, 3, 8, 12), 23), ((2026, 11, 1, 12), 25), ((2026, 6, 1, 12), 24)]
)
def test_the_length_of_a_day_follows_daylight_saving_time(
    ledger: QuotaLedger, clock: MovingClock, noon: tuple[int, int, int, int], hours: int
) -> None:
    starts = datetime(*noon[:3], tzinfo=NEW_YORK).astimezone(UTC)
    clock.move_to(starts)
    make_calls(ledger, 3)

    assert refusal(ledger).renews_at == starts + timedelta(hours=hours)

    clock.advance(hours=hours, seconds=-0.5)
    refusal(ledger)
    clock.advance(seconds=0.5)
    make_calls(ledger, 3)


def test_a_call_across_midnight_counts_in_both_days(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    clock.move_to(MIDNIGHT - timedelta(seconds=5))
    with ledger.call(THREE_A_DAY, purpose="ingest"):
        assert ledger.usage(THREE_A_DAY).made_today == 1
        clock.advance(seconds=10)

    assert ledger.usage(THREE_A_DAY).made_today == 1
    make_calls(ledger, 2)
    refusal(ledger)


@pytest.mark.parametrize("hours", [-240, -20, -12, -1, 1, 13, 24, 240])
def test_setting_the_wall_clock_returns_no_call(
    ledger: QuotaLedger, clock: MovingClock, hours: int
) -> None:
    make_calls(ledger, 3)
    clock.advance(hours=2)

    clock.set_wall(clock.now() + timedelta(hours=hours))

    refusal(ledger)
    clock.set_wall(START + timedelta(hours=2))
    assert refusal(ledger).renews_at == MIDNIGHT


@pytest.mark.parametrize("hours", [-240, 6])
def test_a_wrong_wall_clock_blocks_for_at_most_a_day(
    ledger: QuotaLedger, clock: MovingClock, hours: int
) -> None:
    make_calls(ledger, 3)
    clock.set_wall(clock.now() + timedelta(hours=hours))

    clock.advance(hours=26)

    make_calls(ledger, 3)


@pytest.mark.parametrize("days", [-3650, -1])
def test_a_boot_with_a_late_wall_clock_blocks_at_most_until_midnight(
    ledger: QuotaLedger, clock: MovingClock, days: int
) -> None:
    make_calls(ledger, 3)
    clock.reboot()
    clock.set_wall(START + timedelta(days=days))

    clock.move_to(refusal(ledger).renews_at)

    make_calls(ledger, 3)


def test_a_reboot_keeps_the_calls_of_the_day(ledger: QuotaLedger, clock: MovingClock) -> None:
    make_calls(ledger, 2)
    clock.reboot(seconds=3600)
    make_calls(ledger, 1)

    assert refusal(ledger).renews_at == MIDNIGHT


def test_a_call_of_a_killed_process_counts_in_its_day(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    dying = ledger.call(THREE_A_DAY, purpose="ingest")
    dying.__enter__()
    clock.reboot(seconds=30)

    make_calls(ledger, 2)

    assert refusal(ledger).renews_at == MIDNIGHT


def test_reserved_calls_are_left_until_they_are_made(ledger: QuotaLedger) -> None:
    budget = Budget("acme", (), 10, "America/New_York")
    with ledger.call(budget, purpose="quote", reserved_calls=6):
        pass
    make_calls(ledger, 3, budget, purpose="quote")

    refused = refusal(ledger, budget, "quote", reserved_calls=6)
    assert str(refused).startswith(
        "The 6 calls of `acme` left today are reserved for purposes other than quote"
    )

    make_calls(ledger, 4, budget)
    refusal(ledger, budget, "quote", reserved_calls=6)
    make_calls(ledger, 2, budget)
    refusal(ledger, budget, "quote", reserved_calls=6)


def test_reserved_calls_that_were_made_are_not_reserved_again(ledger: QuotaLedger) -> None:
    budget = Budget("acme", (), 10, "America/New_York")
    make_calls(ledger, 6, budget)

    for _ in range(4):
        with ledger.call(budget, purpose="quote", reserved_calls=6):
            pass

    assert ledger.usage(budget).left_today == 0
