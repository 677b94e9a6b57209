"""The main job from the command line: every asset once, then an answer over HTTP."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console

from forecasting.snapshot import SNAPSHOT_FOLDER
from market.errors import PermanentError
from market.settings import Settings
from pipelines.definitions import build_defs
from pipelines.instance import COMMAND_TAG, close_killed_runs, open_instance
from pipelines.partitions import all_partitions, follow_universe, universe
from pipelines.printouts import print_decision, print_evaluation, print_forecasts
from pipelines.progress import LOGGER_KEY, RunProgress
from pipelines.resources import build_resources
from pipelines.service_process import run_service
from registry.names import CHAMPION
from registry.versions import ModelRegistry

JOB = "everything_job"


def run_main_job(settings: Settings, console: Console, *, serve: bool) -> None:
    """Materialise everything, print what it proved, and ask the service for forecasts.

    Raises
    ------
    StockcastError
        When a stage fails; what was finished before is kept, and the next run takes it up.
    """
    started = time.monotonic()
    with _only_run(settings):
        _materialise(settings, console)
    reports = settings.home / "reports"
    print_evaluation(console, reports / "evaluation.json")
    print_decision(console, reports / "promotion.json")
    if serve and _has_champion(settings, console):
        with run_service(settings) as service, console.status("Starting the service …"):
            service.wait_until_ready()
            print_forecasts(console, service, settings.home / SNAPSHOT_FOLDER)
    console.print(f"Done in {time.monotonic() - started:.0f} s; the reports are in {reports}.")


def _has_champion(settings: Settings, console: Console) -> bool:
    if ModelRegistry.from_settings(settings).alias_version(CHAMPION) is not None:
        return True
    console.print(
        "\nNo version is live, so there is nothing to serve: the gates above say why. "
        "`stockcast promote VERSION --reason ...` overrides them."
    )
    return False


def _materialise(settings: Settings, console: Console) -> None:
    resources = build_resources(settings)
    instance = open_instance(settings)
    close_killed_runs(instance)
    follow_universe(instance, universe(settings, resources["provider"]))
    progress = RunProgress(console)
    definitions = build_defs(
        settings, loggers={LOGGER_KEY: progress.as_logger()}, resources=resources
    )
    job = definitions.resolve_job_def(JOB)
    with progress.over(steps=len(job.nodes)):
        result = job.execute_in_process(
            instance=instance,
            tags={**all_partitions(instance), **COMMAND_TAG},
            run_config={"loggers": {LOGGER_KEY: {"config": {}}}},
            raise_on_error=False,
        )
    if not result.success:
        raise PermanentError(_cause(result))


def _cause(result: dg.ExecuteInProcessResult) -> str:
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


def _message(event: dg.DagsterEvent) -> str:
    """Return what a step failed with, without the stack above it."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"


@contextmanager
def _only_run(settings: Settings) -> Iterator[None]:
    """Hold the home for this run; the lock goes with the process, so a kill leaves none behind."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / ".run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"Another `stockcast run` is using {settings.home}; wait for it or set --home."
            raise PermanentError(msg) from None
        yield
