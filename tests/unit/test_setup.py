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


def make_venv(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [path / "bash", ROOT / "deploy" / "make-venv", path / "venv"],
        env={"PATH": str(path), **environment},
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


def installed_with(
    path: Path, pip_config: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the script with a pip of this configuration; return the environment of uv, too."""
    (path / "config").write_text(pip_config)
    fake_python(path, f'case "$*" in *"pip config"*) exec {path}/grep "" {path}/config ;; esac')
    uv = path / "uv"
    uv.write_text(
        f"#!{path / 'bash'}\n"
        f'case "$1" in venv) {path}/mkdir -p "${{@: -1}}/bin" ;; esac\n'
        f"{path}/env >{path}/environment\n"
        f'echo "$*" >>{path}/calls\n'
    )
    uv.chmod(0o755)
    (path / "mkdir").symlink_to(shutil.which("mkdir") or "")
    done = make_venv(path, **environment)
    lines = (path / "environment").read_text().splitlines()
    return done, dict(line.partition("=")[::2] for line in lines)


def test_the_installer_gets_the_certificates_and_index_of_pip(minimal_path: Path) -> None:
    config = (
        "global.cert='/etc/corp/ca.pem'\n"
        "global.index-url='https://pypi.corp/simple'\n"
        "global.trusted-host='pypi.corp'\n"
    )

    done, environment = installed_with(minimal_path, config)

    assert done.returncode == 0, done.stderr
    assert environment["SSL_CERT_FILE"] == "/etc/corp/ca.pem"
    assert environment["UV_DEFAULT_INDEX"] == "https://pypi.corp/simple"
    assert environment["UV_INSECURE_HOST"] == "pypi.corp"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_installer_gets_the_certificates_of_the_environment(
    minimal_path: Path, variable: str
) -> None:
    _, environment = installed_with(minimal_path, "", **{variable: "/my/ca.pem"})

    assert environment["SSL_CERT_FILE"] == "/my/ca.pem"


def test_a_variable_of_uv_precedes_the_configuration_of_pip(minimal_path: Path) -> None:
    config = "global.index-url='https://pypi.corp/simple'\n"

    _, environment = installed_with(minimal_path, config, UV_DEFAULT_INDEX="https://mine/simple")

    assert environment["UV_DEFAULT_INDEX"] == "https://mine/simple"


def test_the_installation_does_not_list_the_packages(minimal_path: Path) -> None:
    done, _ = installed_with(minimal_path, "")

    calls = (minimal_path / "calls").read_text().splitlines()
    assert all("--quiet" in call for call in calls)
    assert len(done.stdout.splitlines()) == 3


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
        "runner.BENCHMARKS = {'missing': 'no.module', 'absent': 'none.either'}\n"
        "sys.exit(runner.main([]))"
    )

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "== missing" in result.stdout
    assert "== absent" in result.stdout


@pytest.mark.parametrize("script", [".ci/run", "deploy/make-venv"])
def test_a_script_is_executable_and_parses(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True, timeout=20)
