"""The circuit breaker: one object as good as many processes, since all state is in the file."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.quota_calls import START

from market.providers.failover.circuit_breaker import BreakerState, CircuitBreakers


@pytest.fixture
def health(tmp_path: Path, clock: MovingClock) -> CircuitBreakers:
    return CircuitBreakers(tmp_path / "market.sqlite", clock)


def take_down(health: CircuitBreakers, times: int = 3) -> None:
    for _ in range(times):
        assert health.allows_request("acme")
        health.record_failure("acme", "It answered 503.")


def state(health: CircuitBreakers) -> BreakerState:
    return next(state for state in health.read_states() if state.name == "acme")


def test_a_provider_is_left_alone_after_three_failures_in_a_row(health: CircuitBreakers) -> None:
    take_down(health, 2)
    health.record_success("acme")
    take_down(health, 2)
    assert state(health).state == "closed"

    take_down(health, 1)

    assert not health.allows_request("acme")
    assert health.allows_request("other")
    assert state(health) == BreakerState(
        name="acme",
        state="open",
        failures=3,
        since=START,
        retry_at=START + timedelta(seconds=60),
        last_success=START,
        reason="It answered 503.",
    )


def test_after_the_pause_one_request_alone_tries_it(
    health: CircuitBreakers, clock: MovingClock
) -> None:
    take_down(health)
    clock.advance(seconds=60)
    assert state(health).state == "half_open"

    assert [health.allows_request("acme") for _ in range(3)] == [True, False, False]

    clock.advance(seconds=5)
    health.record_success("acme")
    assert health.allows_request("acme")
    assert state(health).state == "closed"
    assert state(health).since == START + timedelta(seconds=65)
    assert state(health).reason == ""


def test_each_failed_try_doubles_the_pause_up_to_half_an_hour(
    health: CircuitBreakers, clock: MovingClock
) -> None:
    take_down(health)
    pauses = []
    for _ in range(7):
        pause = state(health).retry_at - clock.now()  # type: ignore[operator]
        pauses.append(pause.total_seconds())
        clock.advance(seconds=pauses[-1] - 1)
        assert not health.allows_request("acme")
        clock.advance(seconds=1)
        take_down(health, 1)

    assert pauses == [60, 120, 240, 480, 960, 1800, 1800]
    assert state(health).since == START

    health.record_success("acme")
    take_down(health)
    assert state(health).retry_at == clock.now() + timedelta(seconds=60)


def test_failures_of_requests_that_were_under_way_do_not_lengthen_the_pause(
    health: CircuitBreakers, clock: MovingClock
) -> None:
    take_down(health)
    clock.advance(seconds=10)
    for _ in range(5):
        health.record_failure("acme", "It answered 503.")

    assert state(health).retry_at == START + timedelta(seconds=60)


def test_a_try_whose_process_died_makes_room_for_another(
    health: CircuitBreakers, clock: MovingClock
) -> None:
    take_down(health)
    clock.advance(seconds=60)
    assert health.allows_request("acme")

    clock.advance(seconds=119)
    assert not health.allows_request("acme")
    clock.advance(seconds=1)

    assert [health.allows_request("acme"), health.allows_request("acme")] == [True, False]


@pytest.mark.parametrize("days", [-3650, -1, 1, 3650])
def test_setting_the_wall_clock_neither_shortens_nor_freezes_a_pause(
    health: CircuitBreakers, clock: MovingClock, days: int
) -> None:
    take_down(health)
    clock.set_wall(START + timedelta(days=days))
    assert not health.allows_request("acme")

    clock.advance(seconds=60)

    assert health.allows_request("acme")


@pytest.mark.parametrize("days", [-3650, -1, 0])
def test_a_boot_with_a_late_wall_clock_does_not_freeze_a_pause(
    health: CircuitBreakers, clock: MovingClock, days: int
) -> None:
    take_down(health)
    clock.reboot()
    clock.set_wall(START + timedelta(days=days))
    assert not health.allows_request("acme")

    clock.advance(seconds=60)

    assert health.allows_request("acme")


def test_another_process_finds_the_same(
    health: CircuitBreakers, clock: MovingClock, tmp_path: Path
) -> None:
    take_down(health)

    again = CircuitBreakers(tmp_path / "market.sqlite", clock)

    assert not again.allows_request("acme")
    assert again.read_states() == health.read_states()


def test_of_many_that_ask_at_once_one_alone_may_try(
    health: CircuitBreakers, clock: MovingClock, tmp_path: Path
) -> None:
    take_down(health)
    clock.advance(seconds=60)

    with ThreadPoolExecutor(8) as pool:
        mine = [CircuitBreakers(tmp_path / "market.sqlite", clock) for _ in range(24)]
        answers = list(pool.map(lambda one: one.allows_request("acme"), mine))

    assert sum(answers) == 1


def test_states_can_be_read_while_another_process_writes(health: CircuitBreakers) -> None:
    take_down(health)

    with health._database.transaction() as db:
        db.execute("UPDATE health SET failures = 99")
        assert state(health).failures == 3
    assert state(health).failures == 99
