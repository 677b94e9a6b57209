"""What commands share that run a job in their own process: the home to themselves, and the run."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from core.errors import PermanentError
from core.settings import CoreSettings
from pipelines.failures import STOPPED
from stockcast.cli.dagster_instance import COMMAND_TAG, close_killed_runs, open_instance
from stockcast.cli.progress import LOGGER_KEY


@contextmanager
def sole_command(settings: CoreSettings, command: str) -> Iterator[dg.DagsterInstance]:
    """Hold the home for this command, and give the instance without what killed commands left.

    The lock goes with the process, so a kill leaves none behind.

    Raises
    ------
    PermanentError
        When another command holds it.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / ".run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read() or command
            msg = (
                f"Another `stockcast {other}` is using {settings.home}; wait for it or set --home."
            )
            raise PermanentError(msg) from None
        lock.truncate(0)
        lock.write(command)
        lock.flush()
        instance = open_instance(settings)
        close_killed_runs(instance)
        yield instance


def execute(
    definitions: dg.Definitions,
    job: str,
    *,
    instance: dg.DagsterInstance,
    partitions: Mapping[str, str],
    command: str,
    force: bool = False,
) -> dg.ExecuteInProcessResult:
    """Run a job of `definitions` to its end, whatever that is; its logger reports on the way.

    Nobody at a terminal wants to wait for what does not answer, and who insists wants every ticker
    asked for.
    """
    bars = {"config": {"force": force, "patient": False}}
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags={**partitions, COMMAND_TAG: command},
        run_config={"loggers": {LOGGER_KEY: {"config": {}}}, "ops": {"daily_bars": bars}},
        raise_on_error=False,
    )


def cause_of(result: dg.ExecuteInProcessResult) -> str:
    """Return every step that failed with the error that it failed with, a line each."""
    causes = [
        f"{event.step_key}: {_refusals(result, event.step_key) or _message(event)}"
        for event in result.get_step_failure_events()
    ]
    return "\n".join(causes) or f"Run {result.run_id} failed; `stockcast up` shows its log."


def _refusals(result: dg.ExecuteInProcessResult, step: str | None) -> str:
    """Return what the checks of a step said that let nothing pass."""
    found = [
        event.asset_check_evaluation_data
        for event in result.filter_events(
            lambda event: event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        if event.step_key == step
    ]
    return " ".join(
        check.description or check.check_name
        for check in found
        if not check.passed and check.blocking
    )


def failed_for_tickers(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether a run failed because its tickers did, not by a crash, a check or a person."""
    failures = [event.step_failure_data for event in result.get_step_failure_events()]
    return bool(failures) and all(
        failure.user_failure_data is not None and failure.user_failure_data.description != STOPPED
        for failure in failures
    )


def was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether somebody stopped a run, in a step or while it waited to try one again."""
    return not result.success and (
        STOPPED in cause_of(result) or not list(result.get_step_failure_events())
    )


def _message(event: dg.DagsterEvent) -> str:
    """Return what a step failed with, without the stack above it."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
