"""A registry on SQLite with versions that have no files, for tests of aliases and audit trail."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from support.clocks.moving_clock import MovingClock
from support.registry.databases import copy_empty_database

from registry.client import make_client
from registry.versions import ModelRegistry

NAME = "stockcast"
N_VERSIONS = 4


def registry_of_versions(folder: Path, clock: MovingClock) -> ModelRegistry:
    """Return a registry with versions 1 to `N_VERSIONS`, without aliases or moves."""
    database = folder / "mlflow.db"
    shutil.copyfile(_template(), database)
    return ModelRegistry(f"sqlite:///{database}", NAME, folder / "artifacts", clock)


@cache
def _template() -> Path:
    """Create the database once for each process."""
    folder = Path(tempfile.mkdtemp(prefix="stockcast-versions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = folder / "mlflow.db"
    copy_empty_database(database)
    client = make_client(f"sqlite:///{database}")
    client.create_registered_model(NAME)
    for version in range(1, N_VERSIONS + 1):
        client.create_model_version(NAME, f"{folder}/{version}", description=f"Page {version}")
    return database
