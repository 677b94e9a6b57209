"""The Dagster instance of a laptop: SQLite under the home, telemetry off. Nothing about assets."""

from pathlib import Path

import dagster as dg

from core.settings import CoreSettings

DAGSTER_YAML = """\
# Written by Stockcast when it is missing; edit it freely.
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
# On the runs that a command makes in its own process: no daemon watches over these.
COMMAND_TAG = "stockcast/command"
COMMANDS = ["run", "ingest"]
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def dagster_home(settings: CoreSettings) -> Path:
    """Return the folder of the instance, with a `dagster.yaml` in it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text(DAGSTER_YAML)
    return folder


def open_instance(settings: CoreSettings) -> dg.DagsterInstance:
    """Open the instance that the commands share."""
    return dg.DagsterInstance.from_config(str(dagster_home(settings)))


def close_killed_runs(instance: dg.DagsterInstance) -> None:
    """End what earlier commands left when they were killed: their pools would stay taken for ever.

    Call it when no other command can be running.
    """
    left_behind = dg.RunsFilter(tags={COMMAND_TAG: COMMANDS}, statuses=UNFINISHED)
    for run in instance.get_runs(left_behind):
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        # Not failed: the daemon would try a failed run again.
        instance.report_run_canceled(run, "The command that ran this was killed.")
