"""The first command in a fresh clone: what it lists, and what it says when Python is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def few_tools(tmp_path: Path) -> Path:
    """A PATH with a shell and grep on it, and no Python."""
    for tool in ("bash", "env", "grep"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
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


def test_a_machine_without_python_is_told_which_package_to_install(few_tools: Path) -> None:
    fake_python(few_tools, "exit 1 # any other version than 3.11")

    refused = make_venv(few_tools)

    assert refused.returncode == 1
    assert "Python 3.11 is needed" in refused.stderr
    assert "apt-get install python3.11 python3.11-venv" in refused.stderr


def test_a_python_without_venv_is_told_which_package_to_install(few_tools: Path) -> None:
    fake_python(few_tools, 'case "$*" in *ensurepip*) exit 1 ;; *) echo "Python 3.11.2" ;; esac')

    refused = make_venv(few_tools)

    assert refused.returncode == 1
    assert "has no venv module" in refused.stderr
    assert "apt-get install python3.11-venv" in refused.stderr


def test_make_without_a_target_lists_the_commands() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout

    for target in ("run", "test", "up", "bench", "lint", "lock", "clean", "help"):
        assert f"make {target} " in listed


def test_a_benchmark_that_crashes_fails_the_whole_and_the_others_still_run() -> None:
    program = (
        "import sys, benchmarks.__main__ as runner\n"
        "runner.BENCHMARKS = ('bench_missing', 'bench_absent')\n"
        "sys.exit(runner.main([]))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "== bench_missing" in ended.stdout
    assert "== bench_absent" in ended.stdout


@pytest.mark.parametrize("script", [".ci/run", "deploy/make-venv"])
def test_a_script_is_executable_and_parses(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True, timeout=20)
