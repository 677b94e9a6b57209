"""Copies of an empty MLflow database, because creating its tables takes a second."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from registry.client import make_client


def copy_empty_database(path: Path) -> None:
    """Put an MLflow database without experiments or models of ours at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(), path)


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="stockcast-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "mlflow.db"
    make_client(f"sqlite:///{path}")
    return path
