"""Limits of the rate with one caller. Concurrent callers are in other files."""

import pytest
from support.clocks.moving_clock import MovingClock
from support.clocks.simulated_machine import SimulatedMachine
from support.market.quota_calls import START
from support.providers.counting_provider import counting_provider

from core.errors import QuotaError
from market.quota.budgets import Budget, Window
from market.quota.ledger import QuotaLedger

TWO_A_MINUTE = Budget("acme", (Window(2, 60.0),))


class CountedSleeps:
    """Clock of a simulated machine that counts calls of `sleep`."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self.count = 0
        self._machine = machine

    def __getattr__(self, name: str) -> object:
        return getattr(self._machine, name)

    def sleep(self, seconds: float) -> None:
        self.count += 1
        self._machine.sleep(seconds)


def make_call(ledger: QuotaLedger, clock: MovingClock, budget: Budget, lasts: float = 0.0) -> float:
    """Make one call and return when it was granted, in seconds since the start."""
    with ledger.call(budget, purpose="ingest"):
        granted = (clock.now() - START).total_seconds()
        clock.advance(seconds=lasts)
    return granted


def test_a_full_window_delays_until_its_oldest_call_expires(
    ledger: QuotaLedger, clock: MovingClock
) -> None:
    granted = [make_call(ledger, clock, TWO_A_MINUTE, lasts=5.0) for _ in range(4)]

    assert granted == pytest.approx([0, 5, 65, 70], abs=0.05)
    assert min(granted[2] - 5, granted[3] - 10) > 60


def test_all_windows_of_a_budget_apply(ledger: QuotaLedger, clock: MovingClock) -> None:
    budget = Budget("acme", (Window(1, 1.0), Window(3, 60.0)))

    granted = [make_call(ledger, clock, budget) for _ in range(6)]

    assert granted == pytest.approx([0, 1, 2, 60, 61, 62], abs=0.1)


def test_budgets_of_other_accounts_do_not_wait(ledger: QuotaLedger, clock: MovingClock) -> None:
    other = Budget("other", TWO_A_MINUTE.windows)

    granted = [make_call(ledger, clock, b) for b in (TWO_A_MINUTE, other) * 2]

    assert granted == [0, 0, 0, 0]


def test_a_wait_beyond_max_wait_is_refused_at_once(ledger: QuotaLedger, clock: MovingClock) -> None:
    make_call(ledger, clock, TWO_A_MINUTE)
    make_call(ledger, clock, TWO_A_MINUTE)

    with (
        pytest.raises(QuotaError, match=r"`acme` must wait 60\.0 s, .* allows 2\.0 s") as refused,
        ledger.call(TWO_A_MINUTE, purpose="quote", max_wait=2),
    ):
        pytest.fail("the call was granted")

    assert clock.now() == START
    assert 60 < (refused.value.renews_at - START).total_seconds() < 60.1
    assert ledger.usage(TWO_A_MINUTE).made_today == 2
    assert ledger.usage(TWO_A_MINUTE).waiting == 0


def test_a_failed_call_counts(ledger: QuotaLedger, clock: MovingClock) -> None:
    for _ in range(2):
        with pytest.raises(ConnectionError), ledger.call(TWO_A_MINUTE, purpose="ingest"):
            raise ConnectionError

    assert make_call(ledger, clock, TWO_A_MINUTE) > 60


def test_waiting_callers_are_served_in_order_with_few_sleeps() -> None:
    budget, n, order = Budget("acme", (Window(2, 60.0),)), 12, []
    with counting_provider(budget, START) as p:
        sleeps = CountedSleeps(p.machine)
        ledger = QuotaLedger(p.ledger._database.path, sleeps)

        def call(number: int) -> None:
            with ledger.call(budget, purpose="ingest"):
                order.append(number)
                p.machine.sleep(0.2)

        for number in range(n):
            p.machine.launch(number * 0.001, lambda number=number: call(number))
        p.machine.run(until=60.0 * n)

    assert order == list(range(n))
    # One sleep per window before a caller, and some for calls that had not ended yet.
    n_windows = sum(number // budget.windows[0].calls for number in range(n))
    assert sleeps.count <= 2 * n_windows + n
