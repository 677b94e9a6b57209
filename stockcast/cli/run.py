"""`stockcast run` and `refresh`: materialise assets once, then fetch or announce forecasts."""

import shutil
import time

import dagster as dg
from rich.console import Console

from core.errors import PermanentError, RegistryError
from forecasting.snapshot import SNAPSHOT_FOLDER
from pipelines.definitions import build_defs
from pipelines.partitions import all_partitions, follow_universe, universe
from pipelines.resources import build_resources
from registry.names import CHAMPION
from registry.versions import ModelRegistry
from stockcast.cli.job_runs import cause_of, exclusive_command, execute, was_stopped
from stockcast.cli.output.console import print_command, print_line
from stockcast.cli.output.market_tables import (
    print_capacity_warning,
    print_provider_notes,
    print_removed,
)
from stockcast.cli.output.model_tables import print_decision, print_evaluation, print_forecasts
from stockcast.cli.output.progress import LOGGER_KEY, RunProgress, as_logger
from stockcast.cli.processes.service_process import run_service
from stockcast.cli.settings import CommandSettings

MAIN_JOB = "everything_job"
REFRESH_JOB = "daily_job"
DRIFT_REPORT = "reports/drift.html"


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
        _materialize(settings, instance, console, job=MAIN_JOB, command="run")
    reports = settings.home / "reports"
    print_evaluation(console, reports / "evaluation.json")
    print_decision(console, reports / "promotion.json")
    if serve and _has_champion(settings, console):
        with run_service(settings) as service, console.status("Starting the service …"):
            service.wait_until_ready()
            print_forecasts(console, service, settings.home / SNAPSHOT_FOLDER)
    seconds = time.monotonic() - started
    print_line(console, f"Done in {seconds:.0f} s; open {reports / 'index.html'}.")
    if settings.provider == "sample":
        print_next_step(console)


def refresh(settings: CommandSettings, console: Console) -> None:
    """Ingest the last sessions and publish their feature windows, without training.

    Raises
    ------
    StockcastError
        If no version is the champion, or a stage fails.
    """
    started = time.monotonic()
    if ModelRegistry.from_settings(settings).alias_version(CHAMPION) is None:
        msg = "There is no champion to forecast with; `stockcast run` trains and registers one."
        raise RegistryError(msg)
    with exclusive_command(settings, "refresh") as instance:
        _materialize(settings, instance, console, job=REFRESH_JOB, command="refresh")
    print_line(
        console,
        f"Done in {time.monotonic() - started:.0f} s. A running service publishes the new "
        f"forecasts within seconds; the drift report is {settings.home / DRIFT_REPORT}.",
    )


def print_next_step(console: Console) -> None:
    """Print the command that forecasts current prices, after a run on the sample."""
    program = "stockcast" if shutil.which("stockcast") else ".venv/bin/stockcast"
    print_line(
        console,
        "\nThese forecasts are from 2013, where the sample ends. For today's prices, without a "
        "key:",
    )
    print_command(
        console,
        f"STOCKCAST_PROVIDER=yahoo STOCKCAST_TICKERS=AAPL,MSFT {program} run --home var-yahoo",
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


def _materialize(
    settings: CommandSettings,
    instance: dg.DagsterInstance,
    console: Console,
    *,
    job: str,
    command: str,
) -> None:
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
    with progress.bar(steps=len(definitions.resolve_job_def(job).nodes)):
        result = execute(
            definitions,
            job,
            instance=instance,
            partitions=all_partitions(instance),
            command=command,
        )
    print_provider_notes(console, resources["provider"])
    if was_stopped(result):
        raise KeyboardInterrupt
    if not result.success:
        raise PermanentError(cause_of(result))
