"""Load limits: requests in progress, and a late event loop."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from serving.http.problems import Problem
from serving.protection.load import LoadLimiter


def is_refused(load: LoadLimiter) -> bool:
    try:
        load.enter().release()
    except Problem as problem:
        return (problem.status, problem.kind) == (503, "overloaded")
    return False


def test_a_request_above_the_limit_is_refused_until_another_ends() -> None:
    load = LoadLimiter(2, 1.0)
    first, second = load.enter(), load.enter()
    assert is_refused(load)
    first.release()
    first.release()  # a second release must not free the slot of another request
    third = load.enter()
    assert is_refused(load)
    second.release()
    third.release()
    assert not is_refused(load)


def test_only_a_lasting_delay_refuses_requests() -> None:
    load = LoadLimiter(10, 0.5)
    load.record_delay(3.0)
    for _ in range(9):
        load.record_delay(0.01)
    assert not is_refused(load)
    for _ in range(10):
        load.record_delay(0.6)
    assert is_refused(load)
    load.record_delay(0.1)
    assert not is_refused(load)


def test_begin_and_end_of_an_overload_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    load = LoadLimiter(10, 0.5)
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for delay in [0.6] * 30 + [0.1] * 30:
            load.record_delay(delay)
    assert [line.partition(" ")[0] for line in caplog.messages] == [
        "event=overload_began",
        "event=overload_ended",
    ]


def test_the_delay_of_a_blocked_event_loop_is_measured() -> None:
    delays: list[float] = []

    async def block() -> None:
        load = LoadLimiter(1, 1.0)
        load.record_delay = delays.append  # type: ignore[method-assign]
        measuring = asyncio.create_task(load.run())
        while not delays:
            await asyncio.sleep(0)
        time.sleep(0.2)
        while len(delays) < 2:
            await asyncio.sleep(0)
        measuring.cancel()

    asyncio.run(block())
    assert max(delays) >= 0.14
