"""The first command in a fresh clone: its targets, and its errors without Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def minimal_path(tmp_path: Path) -> Path:
    """Return a folder for PATH with a shell and grep, without Python."""
    for tool in ("bash", "env", "grep"):
        program = shutil.which(tool)
        assert program is not None
        (tmp_path / tool).symlink_to(program)
    return tmp_path


def make_venv(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [path / "bash", ROOT / "deploy" / "make-venv", path / "venv"],
        env={"PATH": str(path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def fake_python(path: Path, script: str) -> None:
    program = path / "python3.11"
    program.write_text(f"#!{path / 'bash'}\n{script}\n")
    program.chmod(0o755)


def test_the_error_without_python_has_the_package_to_install(minimal_path: Path) -> None:
    fake_python(minimal_path, "exit 1 # any other version than 3.11")

    result = make_venv(minimal_path)

    assert result.returncode == 1
    assert "Python 3.11 was not found" in result.stderr
    assert "apt-get install python3.11 python3.11-venv" in result.stderr


def test_the_error_for_a_python_without_venv_has_the_package_to_install(minimal_path: Path) -> None:
    fake_python(minimal_path, 'case "$*" in *ensurepip*) exit 1 ;; *) echo "Python 3.11.2" ;; esac')

    result = make_venv(minimal_path)

    assert result.returncode == 1
    assert "has no venv module" in result.stderr
    assert "apt-get install python3.11-venv" in result.stderr


def test_make_without_a_target_lists_the_commands() -> None:
    output = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout

    for target in ("run", "test", "up", "bench", "lint", "lock", "clean", "help"):
        assert f"make {target} " in output


def test_a_crashed_benchmark_sets_the_exit_status_and_the_others_still_run() -> None:
    program = (
        "import sys, benchmarks.__main__ as runner\n"
        "runner.BENCHMARKS = ('bench_missing', 'bench_absent')\n"
        "sys.exit(runner.main([]))"
    )

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "== bench_missing" in result.stdout
    assert "== bench_absent" in result.stdout


@pytest.mark.parametrize("script", [".ci/run", "deploy/make-venv"])
def test_a_script_is_executable_and_parses(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True, timeout=20)
