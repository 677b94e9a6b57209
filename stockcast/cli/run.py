"""`stockcast run`: materialise every asset once, then fetch forecasts over HTTP."""

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
from stockcast.cli.job_runs import cause_of, exclusive_command, execute, was_stopped
from stockcast.cli.market_tables import print_capacity_warning, print_provider_notes, print_removed
from stockcast.cli.model_tables import print_decision, print_evaluation, print_forecasts
from stockcast.cli.progress import LOGGER_KEY, RunProgress, as_logger
from stockcast.cli.service_process import run_service
from stockcast.cli.settings import CommandSettings
from stockcast.cli.terminal import print_line

JOB = "everything_job"


def run_main_job(settings: CommandSettings, console: Console, *, serve: bool) -> None:
    """Run the main job and print its results; with `serve`, fetch forecasts from the service.

    Raises
    ------
    StockcastError
        If a stage fails. The next run reuses the stages that were finished.
    """
    started = time.monotonic()
    # A registry that cannot be used would stop the run only after the training.
    ModelRegistry.from_settings(settings).list()
    with exclusive_command(settings, "run") as instance:
        _materialize(settings, instance, console)
    reports = settings.home / "reports"
    print_evaluation(console, reports / "evaluation.json")
    print_decision(console, reports / "promotion.json")
    if serve and _has_champion(settings, console):
        with run_service(settings) as service, console.status("Starting the service …"):
            service.wait_until_ready()
            print_forecasts(console, service, settings.home / SNAPSHOT_FOLDER)
    print_line(
        console, f"Done in {time.monotonic() - started:.0f} s; the reports are in {reports}."
    )


def _has_champion(settings: CommandSettings, console: Console) -> bool:
    if ModelRegistry.from_settings(settings).alias_version(CHAMPION) is not None:
        return True
    print_line(
        console,
        "\nNo version was promoted, so the service has no model; the gates above list the reasons. "
        "`stockcast promote VERSION --reason ...` overrides them.",
    )
    return False


def _materialize(settings: CommandSettings, instance: dg.DagsterInstance, console: Console) -> None:
    resources = build_resources(settings)
    followed = universe(settings, resources["provider"])
    print_removed(console, follow_universe(instance, followed)[1])
    print_capacity_warning(console, settings, len(followed))
    progress = RunProgress(console)
    definitions = build_defs(
        settings,
        loggers={LOGGER_KEY: as_logger(progress)},
        resources={**resources, "listener": progress},
    )
    with progress.bar(steps=len(definitions.resolve_job_def(JOB).nodes)):
        result = execute(
            definitions, JOB, instance=instance, partitions=all_partitions(instance), command="run"
        )
    print_provider_notes(console, resources["provider"])
    if was_stopped(result):
        raise KeyboardInterrupt
    if not result.success:
        raise PermanentError(cause_of(result))
