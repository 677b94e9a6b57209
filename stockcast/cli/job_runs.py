"""Runs of a Dagster job inside the process of a command."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

import dagster as dg

from core.errors import PermanentError
from core.settings import CoreSettings
from pipelines.failures import STOPPED
from stockcast.cli.dagster_instance import (
    COMMAND_TAG,
    RUN_TAGS,
    close_killed_runs,
    list_in_overview,
    open_instance,
)
from stockcast.cli.output.progress import LOGGER_KEY

_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@contextmanager
def exclusive_command(settings: CoreSettings, command: str) -> Iterator[dg.DagsterInstance]:
    """Lock the home for one command and provide its Dagster instance.

    The operating system releases the lock when the process ends.

    Raises
    ------
    PermanentError
        If another command holds the lock.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / ".run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read() or command
            msg = (
                f"Another command, stockcast {other}, is using {settings.home}; wait for it or set "
                f"--home."
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
    """Run a job of `definitions` to its end and return the result, also of a failed run.

    The run does not wait for providers that are down, because a person waits at the terminal.
    With `force`, it fetches tickers that are up to date too.
    """
    run_id = str(uuid4())
    daily_bars = {"config": {"force": force, "patient": False}}
    try:
        return definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={**partitions, **RUN_TAGS, COMMAND_TAG: command},
            run_config={
                "loggers": {LOGGER_KEY: {"config": {}}},
                "ops": {"daily_bars": daily_bars},
            },
            raise_on_error=False,
        )
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    finally:
        list_in_overview(instance, run_id)


def cause_of(result: dg.ExecuteInProcessResult) -> str:
    """Return one line with the error of each failed step."""
    causes = [
        f"{event.step_key}: {_failed_checks(result, event.step_key) or _message(event)}"
        for event in result.get_step_failure_events()
    ]
    return "\n".join(causes) or f"Run {result.run_id} failed; `stockcast up` shows its log."


def failed_for_tickers(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether only tickers failed: no crash, no blocking check and no stop by a person."""
    failures = [event.step_failure_data for event in result.get_step_failure_events()]
    return bool(failures) and all(
        failure.user_failure_data is not None and _description(failure.user_failure_data) != STOPPED
        for failure in failures
    )


def was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether a person stopped the run, in a step or during the wait before a retry."""
    if result.success:
        return False
    failures = [event.step_failure_data for event in result.get_step_failure_events()]
    return not failures or any(
        STOPPED in _description(failure.user_failure_data)
        or (failure.error is not None and failure.error.cls_name in _INTERRUPTIONS)
        for failure in failures
    )


def _description(user_failure_data: object) -> str:
    return str(getattr(user_failure_data, "description", None) or "")


def _failed_checks(result: dg.ExecuteInProcessResult, step: str | None) -> str:
    """Return the descriptions of the blocking checks of a step that failed."""
    evaluations = [
        event.asset_check_evaluation_data
        for event in result.filter_events(
            lambda event: event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        if event.step_key == step
    ]
    return " ".join(
        check.description or check.check_name
        for check in evaluations
        if not check.passed and check.blocking
    )


def _message(event: dg.DagsterEvent) -> str:
    """Return the message of a failed step's original error, without the stack trace."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
