"""The local Dagster instance: telemetry, concurrency limits, and runs of killed commands."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test

from core.settings import load_settings
from pipelines.settings import PipelineSettings
from stockcast.cli.dagster_instance import (
    COMMAND_TAG,
    COMMANDS,
    close_killed_runs,
    dagster_home,
    open_instance,
)

POOL = "training"


@pytest.fixture
def settings(tmp_path: Path) -> PipelineSettings:
    return load_settings(PipelineSettings, home=tmp_path)


def start_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """Create an unfinished run that holds the only slot of the pool."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
    instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "forest")
    return run.run_id


def holders(instance: dg.DagsterInstance) -> set[str]:
    info = instance.event_log_storage.get_concurrency_info(POOL)
    return {slot.run_id for slot in info.claimed_slots}


def test_the_instance_is_under_the_home_without_telemetry(settings: PipelineSettings) -> None:
    config = yaml.safe_load((dagster_home(settings) / "dagster.yaml").read_text())

    assert config["telemetry"] == config["nux"] == {"enabled": False}
    assert config["concurrency"]["pools"]["default_limit"] == 1
    with open_instance(settings) as instance:
        assert instance.root_directory == str(settings.home / "dagster")
        assert not instance.telemetry_enabled


def test_an_edited_configuration_is_kept(settings: PipelineSettings) -> None:
    edited = dagster_home(settings) / "dagster.yaml"
    edited.write_text("telemetry:\n  enabled: false\n")

    dagster_home(settings)

    assert edited.read_text() == "telemetry:\n  enabled: false\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_run_of_a_killed_command_is_cancelled_and_its_slot_released(
    settings: PipelineSettings, command: str
) -> None:
    with open_instance(settings) as instance:
        killed = start_run(instance, {COMMAND_TAG: command})
        assert holders(instance) == {killed}

        close_killed_runs(instance)

        assert holders(instance) == set()
        run = instance.get_run_by_id(killed)
        assert run.status == dg.DagsterRunStatus.CANCELED
        assert run.remote_job_origin is not None, "the Overview does not list it"


def test_a_run_of_the_daemon_keeps_its_slot(settings: PipelineSettings) -> None:
    with open_instance(settings) as instance:
        alive = start_run(instance, {})

        close_killed_runs(instance)

        assert holders(instance) == {alive}
        assert instance.get_run_by_id(alive).status == dg.DagsterRunStatus.STARTED


def test_finished_runs_are_not_changed(settings: PipelineSettings) -> None:
    with open_instance(settings) as instance:
        done = create_run_for_test(
            instance, status=dg.DagsterRunStatus.SUCCESS, tags={COMMAND_TAG: "run"}
        ).run_id

        close_killed_runs(instance)

        assert instance.get_run_by_id(done).status == dg.DagsterRunStatus.SUCCESS
