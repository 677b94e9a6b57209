"""Retraining that the service starts: real Dagster web server, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import dagster as dg
import httpx
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from support.serving.servers import ROOT

from serving.dagster_client import DagsterClient
from serving.http.problems import Problem

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PROGRAM = ROOT / "tests" / "support" / "programs" / "training_job.py"


@pytest.fixture(scope="module")
def dagster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dg.DagsterInstance, object]]:
    """An instance, and the ASGI app of its web server."""
    home = tmp_path_factory.mktemp("dagster")
    target = PythonFileTarget(
        python_file=str(PROGRAM), attribute=None, working_directory=None, location_name="stockcast"
    )
    with (
        dg.DagsterInstance.local_temp(str(home)) as instance,
        WorkspaceProcessContext(instance, target) as context,
    ):
        yield instance, create_app_from_workspace_process_context(context)


def launch(app: object, job: str) -> str:
    client = DagsterClient("http://dagster", httpx.ASGITransport(app))  # type: ignore[arg-type]
    run = asyncio.run(client.launch(job, {"stockcast/started_by": "key:1"}))
    assert run.url == f"http://dagster/runs/{run.run_id}"
    return run.run_id


def test_a_run_of_the_job_is_started_with_its_tags(
    dagster: tuple[dg.DagsterInstance, object],
) -> None:
    instance, app = dagster
    run = instance.get_run_by_id(launch(app, "training_job"))
    assert run is not None
    assert run.job_name == "training_job"
    assert run.tags["stockcast/started_by"] == "key:1"


def test_a_job_that_no_location_has_is_refused(dagster: tuple[dg.DagsterInstance, object]) -> None:
    with pytest.raises(Problem, match="no code location has the job other_job") as caught:
        launch(dagster[1], "other_job")
    assert caught.value.status == 502
