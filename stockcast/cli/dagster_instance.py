"""The Dagster instance on one machine: SQLite under the home, without telemetry."""

from pathlib import Path

import dagster as dg

from core.settings import CoreSettings

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
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text(DAGSTER_YAML)
    return folder


def open_instance(settings: CoreSettings) -> dg.DagsterInstance:
    """Open the Dagster instance that all commands of a home share."""
    return dg.DagsterInstance.from_config(str(dagster_home(settings)))


def close_killed_runs(instance: dg.DagsterInstance) -> None:
    """Cancel the runs of killed commands and release their concurrency slots.

    Call this only while no other command runs.
    """
    unfinished = dg.RunsFilter(tags={COMMAND_TAG: COMMANDS}, statuses=UNFINISHED)
    for run in instance.get_runs(unfinished):
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        # The daemon retries failed runs, but not cancelled ones.
        instance.report_run_canceled(run, "The command that ran this was killed.")
