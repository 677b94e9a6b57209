"""Fixtures of several tests of forecasting."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.forecasting.bundles import tiny_bundle


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle. Tests must not change it."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    tiny_bundle(folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, which a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "bundle"))
