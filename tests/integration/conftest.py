"""Servers that several integration tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.pipelines.command_runs import Finished
from support.pipelines.main_job import run_main_job
from support.services.external import mlflow_server, postgres_database
from support.serving.homes import TestHome, shared_home
from support.serving.servers import Server, module_command, run_server


@pytest.fixture(scope="session")
def mlflow_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow-server")) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """The address of a new database on a real PostgreSQL server."""
    with postgres_database() as address:
        yield address


@pytest.fixture(scope="session")
def forecast_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m serving` on a home with champion and challenger; tests must not change it."""
    home = shared_home(tmp_path_factory.getbasetemp())
    with run_server(module_command, home.path, tmp_path_factory.mktemp("forecasts")) as server:
        yield server


@pytest.fixture(scope="session")
def swapping_home(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A copy of the shared home. Tests may move its champion between the versions 1 and 2."""
    folder = tmp_path_factory.mktemp("swapping")
    return shared_home(tmp_path_factory.getbasetemp()).copy(folder / "home")


@pytest.fixture(scope="session")
def swapping_server(
    swapping_home: TestHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """`python -m serving` on the swapping home."""
    folder = tmp_path_factory.mktemp("swapping-forecasts")
    with run_server(module_command, swapping_home.path, folder) as server:
        yield server


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The state after one run of the main job; only the tests of `test_main_job` change it."""
    return run_main_job(tmp_path_factory.mktemp("main-job"))
