"""Jobs in the background, bounded in number and time, in the memory of this process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from core.clock import Clock
from serving.http.problems import Problem, problem_of

MAX_JOBS = 32
KEPT = timedelta(minutes=5)


@dataclass
class BackgroundJob:
    """A job with its result as JSON, or its problem."""

    created_at: datetime
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    result: bytes | None = None
    problem: Problem | None = None

    @property
    def expires_at(self) -> datetime:
        """Time after which the job is forgotten."""
        return self.created_at + KEPT

    def content(self) -> bytes:
        """Return the response body as JSON."""
        is_over = self.result is not None or self.problem is not None
        status = "failed" if self.problem else "done" if is_over else "running"
        head = {
            "id": self.id,
            "status": status,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "problem": self.problem.members() if self.problem else None,
        }
        return orjson.dumps(head)[:-1] + b',"result":' + (self.result or b"null") + b"}"


class JobStore:
    """Starts jobs, and keeps them for five minutes. Use it from one event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[str, BackgroundJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], bytes]) -> BackgroundJob:
        """Run `work` in a thread.

        Raises
        ------
        Problem
            If `MAX_JOBS` jobs are kept. Jobs are not dropped early, because a client polls each.
        """
        self._forget_expired()
        if len(self._jobs) >= MAX_JOBS:
            oldest = min(job.expires_at for job in self._jobs.values())
            msg = f"{MAX_JOBS} jobs are kept, which is the limit; retry later or do not use one."
            raise Problem(429, "too-many-jobs", msg, retry_at=oldest)
        job = BackgroundJob(self._clock.now())
        self._jobs[job.id] = job
        task = asyncio.create_task(_run(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def get(self, job_id: str) -> BackgroundJob:
        """Return a job; raise a `Problem` if it is unknown or was forgotten."""
        self._forget_expired()
        job = self._jobs.get(job_id)
        if job is None:
            minutes = KEPT.total_seconds() / 60
            msg = f"There is no such job; a job is kept for {minutes:g} minutes."
            raise Problem(404, "job-not-found", msg)
        return job

    def _forget_expired(self) -> None:
        now = self._clock.now()
        self._jobs = {key: job for key, job in self._jobs.items() if job.expires_at > now}


async def _run(job: BackgroundJob, work: Callable[[], bytes]) -> None:
    try:
        job.result = await asyncio.to_thread(work)
    except Exception as error:  # noqa: BLE001  # the client reads the problem
        job.problem = problem_of(error)
