"""Jobs in the background: results, problems, and their bounds in number and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.service_setup import NOW

from serving.http.problems import Problem
from serving.jobs import KEPT, MAX_JOBS, JobStore


def run(work: Callable[[], bytes]) -> dict[str, Any]:
    """Return the body of a job after its end."""

    async def poll() -> dict[str, Any]:
        store = JobStore(MovingClock(NOW))
        job = store.start(work)
        assert json.loads(job.content())["status"] == "running"
        while (body := json.loads(store.get(job.id).content()))["status"] == "running":
            await asyncio.sleep(0)
        return body

    return asyncio.run(poll())


def test_a_finished_job_has_its_result() -> None:
    body = run(lambda: b'{"count":1}')
    assert (body["status"], body["result"], body["problem"]) == ("done", {"count": 1}, None)


def test_a_failed_job_has_the_problem_and_no_internal_detail() -> None:
    def refuse() -> bytes:
        raise Problem(503, "no-champion", "No champion yet.")

    def explode() -> bytes:
        msg = "secret"
        raise RuntimeError(msg)

    assert run(refuse)["problem"]["code"] == "no-champion"
    body = run(explode)
    assert (body["status"], body["problem"]["status"]) == ("failed", 500)
    assert "secret" not in json.dumps(body)


def test_the_number_of_jobs_is_bounded_until_they_expire() -> None:
    async def fill() -> None:
        clock = MovingClock(NOW)
        store = JobStore(clock)
        first = store.start(lambda: b"1")
        for _ in range(MAX_JOBS - 1):
            store.start(lambda: b"1")
        with pytest.raises(Problem, match=f"{MAX_JOBS} jobs") as caught:
            store.start(lambda: b"1")
        assert caught.value.retry_at == NOW + KEPT
        clock.move_to(NOW + KEPT)
        with pytest.raises(Problem, match="no such job"):
            store.get(first.id)
        store.start(lambda: b"1")

    asyncio.run(fill())
