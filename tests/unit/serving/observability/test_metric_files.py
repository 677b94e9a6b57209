"""The temporary folder of the service, and the reserved space of its metric files."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from core.errors import PermanentError
from serving.observability import metric_files
from serving.observability.metric_files import (
    METRICS_FOLDER,
    reserve_metric_files,
    temporary_folder,
)


@pytest.fixture(autouse=True)
def parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Shared memory, the folder for temporary files, and the fallback."""
    parents = [tmp_path / name for name in ("memory", "temporary", "fallback")]
    parents[0].mkdir()
    parents[1].mkdir()
    monkeypatch.setattr(metric_files, "SHARED_MEMORY", parents[0])
    monkeypatch.setattr(tempfile, "tempdir", str(parents[1]))
    return parents


def fill(monkeypatch: pytest.MonkeyPatch, *full: Path) -> None:
    write_bytes = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if any(path.is_relative_to(parent) for parent in full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)


def test_every_metric_file_has_its_disk_space(parents: list[Path]) -> None:
    """Regression: a write to a sparse file ended the process with SIGBUS on a full disk."""
    with temporary_folder(parents[2]) as folder:
        assert folder.parent == parents[0]
        files = list((folder / METRICS_FOLDER).iterdir())
        assert len(files) == 7
        for file in files:
            status = file.stat()
            assert status.st_blocks * 512 >= status.st_size == 2**20
    assert list(parents[0].iterdir()) == []


def test_a_file_that_exists_gets_its_space_and_keeps_its_content(tmp_path: Path) -> None:
    """Regression: `bentoml serve` maps one file before the service starts."""
    file = tmp_path / f"counter_{os.getpid()}.db"
    file.write_bytes(b"used")
    os.truncate(file, 2**16)
    assert file.stat().st_blocks * 512 < 2**16
    reserve_metric_files(tmp_path)
    assert file.stat().st_blocks * 512 >= file.stat().st_size == 2**16
    assert file.read_bytes()[:4] == b"used"


@pytest.mark.parametrize("n_full", [1, 2])
def test_the_next_folder_is_used_if_shared_memory_is_full(
    parents: list[Path], monkeypatch: pytest.MonkeyPatch, n_full: int
) -> None:
    fill(monkeypatch, *parents[:n_full])
    with temporary_folder(parents[2]) as folder:
        assert folder.parent == parents[n_full]
        assert [path for parent in parents[:n_full] for path in parent.iterdir()] == []


def test_without_any_space_the_error_names_the_folders(
    parents: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(monkeypatch, *parents)
    with pytest.raises(PermanentError, match="7 MB") as caught, temporary_folder(parents[2]):
        pass
    for parent in parents:
        assert f"{parent} (No space left on device)" in str(caught.value)


def test_folders_of_killed_processes_are_removed(parents: list[Path]) -> None:
    leftover = parents[0] / "stockcast-serving-killed"
    leftover.mkdir()
    with temporary_folder(parents[2]) as running, temporary_folder(parents[2]) as second:
        assert not leftover.exists()
        assert sorted(parents[0].iterdir()) == sorted([running, second])
