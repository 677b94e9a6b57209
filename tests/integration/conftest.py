"""Services that several integration tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.services.external import mlflow_server, postgres_database


@pytest.fixture(scope="session")
def mlflow_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server; it takes some 15 s to start, so there is one a session."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow-server")) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A database of our own on a real PostgreSQL server."""
    with postgres_database() as address:
        yield address
