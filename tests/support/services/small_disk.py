"""A small disk of its own, which a test fills, mounts read-only or removes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_FILLER = "filler"


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory, mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Write until no byte is left."""
        with suppress(OSError), (self.path / _FILLER).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        (self.path / _FILLER).unlink()

    @contextmanager
    def read_only(self, path: Path) -> Iterator[None]:
        """Mount the same disk read-only at another path."""
        path.mkdir(parents=True)
        _run("mount", "--bind", str(self.path), str(path))
        try:
            _run("mount", "-o", "remount,bind,ro", str(path))
            yield
        finally:
            _run("umount", "-l", str(path))

    def remove(self) -> None:
        """Detach the disk, as a lost volume."""
        _run("umount", "-l", str(self.path))


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk; skip the test without the right to mount."""
    path.mkdir(parents=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user cannot mount a disk ({error})")
    try:
        yield SmallDisk(path)
    finally:
        if path.is_mount():
            _run("umount", "-l", str(path))


def _run(*command: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, *command], check=True, capture_output=True)
