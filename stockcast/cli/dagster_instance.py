"""The Dagster instance on one machine: SQLite under the home, without telemetry."""

from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from core.settings import CoreSettings
from stockcast.cli.dagster_storage import check_storage

CONFIG = "dagster.yaml"
DAGSTER_YAML = """\
# Stockcast writes this file if it is missing. Your changes are kept.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    granularity: op
    default_limit: 1
  runs:
    max_concurrent_runs: 2
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60
"""
# Tag of runs inside the process of a command, which the Dagster daemon does not monitor.
COMMAND_TAG = "stockcast/command"
COMMANDS = ["run", "refresh", "ingest"]
# The code location of `workspace.yaml`, and Dagster's name for a repository of plain definitions.
_REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("stockcast"), "__repository__")
RUN_TAGS = {
    ".dagster/repository": _REPOSITORY.get_label(),
    "dagster/max_retries": "0",  # a command reports its failure, so the daemon must not repeat it
}
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def dagster_home(settings: CoreSettings) -> Path:
    """Return the folder of the instance; create it with a `dagster.yaml` if needed."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / CONFIG
    if not config.exists():
        config.write_text(DAGSTER_YAML)
    return folder


def open_instance(settings: CoreSettings) -> dg.DagsterInstance:
    """Open the Dagster instance that all commands of a home share.

    Raises
    ------
    PermanentError
        If its `dagster.yaml` cannot be used.
    """
    folder = dagster_home(settings)
    check_storage(folder / CONFIG)
    return dg.DagsterInstance.from_config(str(folder))


def list_in_overview(instance: dg.DagsterInstance, run_id: str) -> None:
    """Assign a run with `RUN_TAGS` to the code location, because the Overview lists no others.

    Dagster assigns only the runs that its web server or daemon launches.
    """
    if (run := instance.get_run_by_id(run_id)) is not None:
        instance.run_storage.replace_job_origin(run, _REPOSITORY.get_job_origin(run.job_name))


def close_killed_runs(instance: dg.DagsterInstance) -> None:
    """Cancel the runs of killed commands and release their concurrency slots.

    Call this only while no other command runs.
    """
    unfinished = dg.RunsFilter(tags={COMMAND_TAG: COMMANDS}, statuses=UNFINISHED)
    for run in instance.get_runs(unfinished):
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        # The daemon retries failed runs, but not cancelled ones.
        instance.report_run_canceled(run, "The command that ran this was killed.")
        list_in_overview(instance, run.run_id)
