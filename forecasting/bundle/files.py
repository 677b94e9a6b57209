"""The files of a bundle: names, size limits, reading and fingerprint."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from forecasting.bundle.manifest import (
    GOLDEN_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    bundle_error,
)
from forecasting.bundle.sealing import sha256

MEGABYTE = 2**20
# Real bundles are much smaller. The limits protect the memory from wrong files.
SIZE_LIMITS = {MANIFEST_FILE: 16 * MEGABYTE, GRAPH_FILE: 256 * MEGABYTE, GOLDEN_FILE: 64 * MEGABYTE}

_LARGEST = max(SIZE_LIMITS.values())


def read_files(folder: Path) -> dict[str, bytes]:
    """Return name -> content of the files of the bundle in `folder`.

    Raises
    ------
    BundleError
        When a file is missing, too large or not a regular file.
    """
    return {name: _read_file(folder / name, limit) for name, limit in SIZE_LIMITS.items()}


def check_folder(folder: Path) -> None:
    """Check that a copy of `folder` ends: it has regular files of a bounded size only.

    A missing or unreadable folder passes, because the copy reports it.

    Raises
    ------
    BundleError
        When a file is not a regular file, such as a device or a FIFO, or is too large.
    """
    with suppress(OSError):
        for path in folder.rglob("*"):
            is_folder = path.is_dir() and not path.is_symlink()
            if not is_folder and not (path.is_file() and path.stat().st_size <= _LARGEST):
                problem = f"{path} must be a regular file of at most {_LARGEST} bytes."
                raise bundle_error(check="the files", problem=problem)


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the names and contents of a bundle's files."""
    return sha256("".join(f"{name} {sha256(files[name])}\n" for name in sorted(files)).encode())


def _read_file(path: Path, limit: int) -> bytes:
    try:
        # Without the flag, opening a FIFO waits until another process writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise bundle_error(check="the files", problem=f"{path} must be a regular file.")
            content = file.read(min(status.st_size, limit) + 1)
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror})."
        raise bundle_error(check="the files", problem=problem) from None
    if not 0 < len(content) <= limit:
        problem = f"{path} must have between 1 and {limit} bytes, got {len(content)} or more."
        raise bundle_error(check="the files", problem=problem)
    return content
