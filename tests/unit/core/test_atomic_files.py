import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from support.programs import killed_writer

from core import files as atomic
from core.files import locked, remove_temporary_files, write_atomically


def test_a_file_is_replaced_and_no_temporary_file_remains(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporary_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".file.0123.tmp").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"kept")
    (tmp_path / "data.tmp").write_bytes(b"kept")

    remove_temporary_files(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "data.tmp"}


def test_a_lock_can_be_taken_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path / ".lock"):
        raise RuntimeError

    with locked(tmp_path / ".lock"):
        pass


def test_a_kill_at_any_step_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", []
    for step in count(1):
        path.write_bytes(killed_writer.OLD)
        command = [sys.executable, killed_writer.__file__, str(path), str(step)]
        code = subprocess.run(command, check=False, timeout=60).returncode
        contents.append(path.read_bytes())
        if code == 0:
            break
        assert code == -signal.SIGKILL

    replaced = contents.index(killed_writer.NEW)
    n_new = len(contents) - replaced
    assert contents == [killed_writer.OLD] * replaced + [killed_writer.NEW] * n_new
    assert replaced >= 4  # open, write, fsync and rename
    remove_temporary_files(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
