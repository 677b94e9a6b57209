"""A home that was renamed or copied keeps its bundles, its champion and its audit trail."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.registry.candidates import candidate, champion_of, log_versions
from support.registry.databases import copy_empty_database

from core.errors import RegistryError
from registry.promotion.aliases import promote, rollback
from registry.publishing.candidates import log_candidate
from registry.settings import RegistrySettings
from registry.versions import ModelRegistry

pytestmark = pytest.mark.integration


def registry_of(home: Path) -> ModelRegistry:
    return ModelRegistry.from_settings(RegistrySettings(home=home, _env_file=None))


def dump_of(home: Path) -> str:
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database:
        return "\n".join(database.iterdump())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with two versions of which the first is champion."""
    home = tmp_path / "first home"
    copy_empty_database(home / "mlflow" / "mlflow.db")
    registry = registry_of(home)
    log_versions(registry, tmp_path / "bundles", 2)
    promote(registry, 1, "first", "test")
    return home


def test_a_renamed_home_loads_promotes_and_rolls_back(home: Path, tmp_path: Path) -> None:
    moved = home.rename(tmp_path / "hôme #2 100%")
    registry = registry_of(moved)

    assert registry.download(2, tmp_path / "bundle").is_dir()
    promote(registry, 2, "better", "test")
    rollback(registry, "worse", "test")

    assert champion_of(registry) == 1
    assert log_candidate(registry, candidate(tmp_path / "bundles", seed=7)).version == 3
    assert registry.download(3, tmp_path / "new").is_dir()
    assert str(home) not in dump_of(moved)
    assert not home.exists()


def test_a_copied_home_is_independent_of_the_original(home: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(home, tmp_path / "copy"))
    before = dump_of(home)

    log_candidate(registry_of(copied), candidate(tmp_path / "bundles", seed=7))

    assert str(home) not in dump_of(copied)
    assert dump_of(home) == before
    shutil.rmtree(home)
    for version in (1, 2, 3):
        assert registry_of(copied).download(version, tmp_path / str(version)).is_dir()


def test_a_database_that_was_copied_without_its_artefacts_keeps_their_paths(
    home: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copy"
    (copied / "mlflow" / "artifacts").mkdir(parents=True)
    shutil.copyfile(home / "mlflow" / "mlflow.db", copied / "mlflow" / "mlflow.db")

    assert registry_of(copied).download(1, tmp_path / "bundle").is_dir()
    assert dump_of(copied) == dump_of(home)


def test_a_home_that_was_not_moved_is_not_written(home: Path) -> None:
    before = (home / "mlflow" / "mlflow.db").read_bytes()

    assert registry_of(home).get(1).version == 1
    assert (home / "mlflow" / "mlflow.db").read_bytes() == before


def test_a_repair_that_fails_changes_nothing(home: Path, tmp_path: Path) -> None:
    moved = home.rename(tmp_path / "moved")
    trigger = (
        "CREATE TRIGGER full BEFORE UPDATE ON model_versions BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with closing(sqlite3.connect(moved / "mlflow" / "mlflow.db")) as database:
        database.execute(trigger)
        database.commit()
    before = dump_of(moved)

    with pytest.raises(RegistryError, match=r"adapting .*mlflow\.db to its new folder: full"):
        registry_of(moved).get(1)

    assert dump_of(moved) == before
