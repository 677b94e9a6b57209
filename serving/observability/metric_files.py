"""Temporary folder of the service, and reserved disk space for the files of its metrics.

`prometheus_client` maps its files into memory. Without reserved space, a write to a full disk ends
the process with SIGBUS. The folder is outside the home, because the home's disk may become full,
read-only or unavailable while the service runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import PermanentError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a mount point, not a file with a fixed name
METRICS_FOLDER = "metrics"
_PREFIX = "stockcast-serving-"
# One file for each kind of metric, and for each `multiprocess_mode` of a gauge.
_KINDS = (
    *("counter", "histogram", "summary"),
    *("gauge_all", "gauge_livemax", "gauge_livemin", "gauge_livesum"),
)
# The labels are bounded, and all series of the service use less than half of this.
_RESERVED_BYTES = 2**20


@contextmanager
def temporary_folder(fallback: Path) -> Iterator[Path]:
    """Create a folder with reserved metric files, and remove it at the end.

    It is in shared memory, or else in the system's folder for temporary files, or in `fallback`.

    Raises
    ------
    PermanentError
        If none of these has a writable folder with space.
    """
    folder, lock = _create_first([SHARED_MEMORY, Path(tempfile.gettempdir()), fallback])
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def reserve_metric_files(folder: Path) -> None:
    """Create the metric files of this process, and allocate all their disk space.

    Raises
    ------
    OSError
        If the disk does not have the space. No new file is left.
    """
    paths = [folder / f"{kind}_{os.getpid()}.db" for kind in _KINDS]
    created = [path for path in paths if not path.exists()]
    try:
        for path in set(paths).difference(created):
            _allocate(path)
        for path in created:
            path.write_bytes(bytes(_RESERVED_BYTES))
    except OSError:
        for path in created:
            path.unlink(missing_ok=True)
        raise


def _allocate(path: Path) -> None:
    """Allocate the space of a file that BentoML has created and mapped already."""
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _create_first(parents: list[Path]) -> tuple[Path, int]:
    failures = []
    for parent in parents:
        try:
            return _create(parent)
        except OSError as error:
            failures.append(f"{parent} ({error.strerror})")
    size = len(_KINDS) * _RESERVED_BYTES // 2**20
    msg = f"The service needs {size} MB for temporary files, in one of {', '.join(failures)}."
    raise PermanentError(msg)


def _create(parent: Path) -> tuple[Path, int]:
    """Return a new folder, and the descriptor of its lock, which ends with this process."""
    if parent.is_dir():
        _remove_leftovers(parent)
    else:
        parent.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / METRICS_FOLDER).mkdir()
        reserve_metric_files(folder / METRICS_FOLDER)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        raise
    return folder, lock


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders of killed processes, since they would fill the memory."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:  # of another user, or removed in the meantime
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its process is running
            continue
        finally:
            os.close(lock)
