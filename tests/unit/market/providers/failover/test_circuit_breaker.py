"""Circuit breakers. All state is in the file, so one object behaves like many processes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.quota_calls import START

from market.providers.failover.circuit_breaker import BreakerState, CircuitBreakers


@pytest.fixture
def breakers(tmp_path: Path, clock: MovingClock) -> CircuitBreakers:
    return CircuitBreakers(tmp_path / "market.sqlite", clock)


def open_breaker(breakers: CircuitBreakers, times: int = 3) -> None:
    for _ in range(times):
        assert breakers.allows_request("acme")
        breakers.record_failure("acme", "HTTP 503.")


def state(breakers: CircuitBreakers) -> BreakerState:
    return next(state for state in breakers.read_states() if state.name == "acme")


def test_a_breaker_opens_after_three_failures_in_a_row(breakers: CircuitBreakers) -> None:
    open_breaker(breakers, 2)
    breakers.record_success("acme")
    open_breaker(breakers, 2)
    assert state(breakers).state == "closed"

    open_breaker(breakers, 1)

    assert not breakers.allows_request("acme")
    assert breakers.allows_request("other")
    assert state(breakers) == BreakerState(
        name="acme",
        state="open",
        failures=3,
        since=START,
        retry_at=START + timedelta(seconds=60),
        last_success=START,
        reason="HTTP 503.",
    )


def test_after_the_pause_one_trial_request_is_allowed(
    breakers: CircuitBreakers, clock: MovingClock
) -> None:
    open_breaker(breakers)
    clock.advance(seconds=60)
    assert state(breakers).state == "half_open"

    assert [breakers.allows_request("acme") for _ in range(3)] == [True, False, False]

    clock.advance(seconds=5)
    breakers.record_success("acme")
    assert breakers.allows_request("acme")
    assert state(breakers).state == "closed"
    assert state(breakers).since == START + timedelta(seconds=65)
    assert state(breakers).reason == ""


def test_each_failed_trial_doubles_the_pause_up_to_half_an_hour(
    breakers: CircuitBreakers, clock: MovingClock
) -> None:
    open_breaker(breakers)
    pauses = []
    for _ in range(7):
        pause = state(breakers).retry_at - clock.now()  # type: ignore[operator]
        pauses.append(pause.total_seconds())
        clock.advance(seconds=pauses[-1] - 1)
        assert not breakers.allows_request("acme")
        clock.advance(seconds=1)
        open_breaker(breakers, 1)

    assert pauses == [60, 120, 240, 480, 960, 1800, 1800]
    assert state(breakers).since == START

    breakers.record_success("acme")
    open_breaker(breakers)
    assert state(breakers).retry_at == clock.now() + timedelta(seconds=60)


def test_failures_of_earlier_requests_do_not_lengthen_the_pause(
    breakers: CircuitBreakers, clock: MovingClock
) -> None:
    open_breaker(breakers)
    clock.advance(seconds=10)
    for _ in range(5):
        breakers.record_failure("acme", "HTTP 503.")

    assert state(breakers).retry_at == START + timedelta(seconds=60)


def test_a_lost_trial_request_is_replaced_after_two_minutes(
    breakers: CircuitBreakers, clock: MovingClock
) -> None:
    open_breaker(breakers)
    clock.advance(seconds=60)
    assert breakers.allows_request("acme")

    clock.advance(seconds=119)
    assert not breakers.allows_request("acme")
    clock.advance(seconds=1)

    assert [breakers.allows_request("acme"), breakers.allows_request("acme")] == [True, False]


@pytest.mark.parametrize("days", [-3650, -1, 1, 3650])
def test_setting_the_wall_clock_neither_shortens_nor_freezes_a_pause(
    breakers: CircuitBreakers, clock: MovingClock, days: int
) -> None:
    open_breaker(breakers)
    clock.set_wall(START + timedelta(days=days))
    assert not breakers.allows_request("acme")

    clock.advance(seconds=60)

    assert breakers.allows_request("acme")


@pytest.mark.parametrize("days", [-3650, -1, 0])
def test_a_boot_with_a_late_wall_clock_does_not_freeze_a_pause(
    breakers: CircuitBreakers, clock: MovingClock, days: int
) -> None:
    open_breaker(breakers)
    clock.reboot()
    clock.set_wall(START + timedelta(days=days))
    assert not breakers.allows_request("acme")

    clock.advance(seconds=60)

    assert breakers.allows_request("acme")


def test_another_process_reads_the_same_state(
    breakers: CircuitBreakers, clock: MovingClock, tmp_path: Path
) -> None:
    open_breaker(breakers)

    again = CircuitBreakers(tmp_path / "market.sqlite", clock)

    assert not again.allows_request("acme")
    assert again.read_states() == breakers.read_states()


def test_only_one_of_many_concurrent_requests_is_allowed(
    breakers: CircuitBreakers, clock: MovingClock, tmp_path: Path
) -> None:
    open_breaker(breakers)
    clock.advance(seconds=60)

    with ThreadPoolExecutor(8) as pool:
        mine = [CircuitBreakers(tmp_path / "market.sqlite", clock) for _ in range(24)]
        answers = list(pool.map(lambda one: one.allows_request("acme"), mine))

    assert sum(answers) == 1


def test_states_can_be_read_while_another_process_writes(breakers: CircuitBreakers) -> None:
    open_breaker(breakers)

    with breakers._database.transaction() as db:
        db.execute("UPDATE health SET failures = 99")
        assert state(breakers).failures == 3
    assert state(breakers).failures == 99
