"""The main job from the command line: every asset once, then an answer over HTTP."""

import time

import dagster as dg
from rich.console import Console

from core.errors import PermanentError
from forecasting.snapshot import SNAPSHOT_FOLDER
from pipelines.definitions import build_defs
from pipelines.partitions import all_partitions, follow_universe, universe
from pipelines.resources import build_resources
from registry.names import CHAMPION
from registry.versions import ModelRegistry
from stockcast.cli.job_runs import cause_of, execute, sole_command
from stockcast.cli.market_printouts import print_advice
from stockcast.cli.printouts import print_decision, print_evaluation, print_forecasts
from stockcast.cli.progress import LOGGER_KEY, RunProgress, as_logger
from stockcast.cli.service_process import run_service
from stockcast.cli.settings import CommandSettings

JOB = "everything_job"


def run_main_job(settings: CommandSettings, console: Console, *, serve: bool) -> None:
    """Materialise everything, print what it proved, and ask the service for forecasts.

    Raises
    ------
    StockcastError
        When a stage fails; what was finished before is kept, and the next run takes it up.
    """
    started = time.monotonic()
    with sole_command(settings, "run") as instance:
        _materialise(settings, instance, console)
    reports = settings.home / "reports"
    print_evaluation(console, reports / "evaluation.json")
    print_decision(console, reports / "promotion.json")
    if serve and _has_champion(settings, console):
        with run_service(settings) as service, console.status("Starting the service …"):
            service.wait_until_ready()
            print_forecasts(console, service, settings.home / SNAPSHOT_FOLDER)
    console.print(f"Done in {time.monotonic() - started:.0f} s; the reports are in {reports}.")


def _has_champion(settings: CommandSettings, console: Console) -> bool:
    if ModelRegistry.from_settings(settings).alias_version(CHAMPION) is not None:
        return True
    console.print(
        "\nNo version is live, so there is nothing to serve: the gates above say why. "
        "`stockcast promote VERSION --reason ...` overrides them."
    )
    return False


def _materialise(settings: CommandSettings, instance: dg.DagsterInstance, console: Console) -> None:
    resources = build_resources(settings)
    followed = universe(settings, resources["provider"])
    follow_universe(instance, followed)
    print_advice(console, settings, len(followed))
    progress = RunProgress(console)
    definitions = build_defs(
        settings,
        loggers={LOGGER_KEY: as_logger(progress)},
        resources={**resources, "listener": progress},
    )
    with progress.over(steps=len(definitions.resolve_job_def(JOB).nodes)):
        result = execute(
            definitions, JOB, instance=instance, partitions=all_partitions(instance), command="run"
        )
    if not result.success:
        raise PermanentError(cause_of(result))
