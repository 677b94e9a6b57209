"""Homes and users that a command cannot work with are refused at once, in one line."""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import sqlite3
import tempfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import typer
from support.pipelines.command_runs import COMMAND
from support.terminal import run_in_terminal
from typer.testing import CliRunner

from core.errors import PermanentError
from core.settings import load_settings
from pipelines.settings import PipelineSettings
from stockcast.cli.app import app
from stockcast.cli.job_runs import execute, was_stopped
from stockcast.cli.output.console import make_console
from stockcast.cli.output.progress import LOGGER_KEY, RunProgress, as_logger
from stockcast.cli.preflight import check_home, plain_errors, set_home_variable, user_name

COMMANDS = [
    ["run"],
    ["refresh"],
    ["ingest"],
    ["quota"],
    ["up"],
    ["models"],
    ["promote", "1", "--reason", "x"],
    ["rollback", "--reason", "x"],
]
Usage = namedtuple("Usage", "total used free")


def refused(home: Path, message: str) -> None:
    """Check that every command fails with one line that contains the message."""
    for command in COMMANDS:
        done = CliRunner().invoke(app, [*command, "--home", str(home)])
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")
        assert message in done.stderr


def raising(code: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(code, os.strerror(code))

    return fail


def test_every_command_is_in_the_list() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert names == {command[0] for command in COMMANDS}


def test_a_home_that_cannot_be_created_is_refused_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused(tmp_path / "file" / "home", f"The home {tmp_path / 'file' / 'home'} cannot be used")


def test_a_home_with_url_characters_is_refused_by_every_command(tmp_path: Path) -> None:
    refused(tmp_path / "what?now", "must not contain ?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_home_that_cannot_be_written_is_refused_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(code))

    refused(tmp_path, f"The home {tmp_path} cannot be used: {os.strerror(code)}; make it writable")


def test_an_entry_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    database.touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != database)

    with pytest.raises(PermanentError, match=f"{database} is not writable"):
        check_home(tmp_path)


def test_a_home_in_the_root_of_a_volume_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost+found").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "lost+found")

    check_home(tmp_path)


def test_a_disk_that_is_nearly_full_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 3_000_000))

    with pytest.raises(PermanentError, match="has 3 MB left, and a command needs 50 MB"):
        check_home(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "No space left on device: /x/y"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (PermanentError("no such thing"), "no such thing"),
    ],
)
def test_a_disk_that_fills_up_later_ends_a_command_in_one_line(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, plain_errors():
        raise error

    assert ended.value.exit_code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_bug_keeps_its_stack_trace() -> None:
    with pytest.raises(ZeroDivisionError), plain_errors():
        raise ZeroDivisionError


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        msg = "getpwuid(): uid not found: 12345"
        raise KeyError(msg)

    monkeypatch.setattr(getpass, "getuser", fail)
    monkeypatch.setattr(os, "getuid", lambda: 12345)

    assert user_name() == "uid 12345"


def test_a_user_without_a_home_folder_gets_the_home_of_stockcast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    set_home_variable(tmp_path)
    assert os.environ["HOME"] == "/somewhere"

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # no entry in passwd
    set_home_variable(tmp_path)
    assert os.environ["HOME"] == str(tmp_path)


def test_hints_repeat_the_home_that_was_given(tmp_path: Path) -> None:
    home = tmp_path / "my home"

    done = CliRunner().invoke(app, ["models", "--home", str(home)])

    expected = (
        f"No version is registered; `stockcast run --home '{home}'` trains and registers one."
    )
    assert done.stdout.strip() == expected


def test_hints_repeat_the_home_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKCAST_HOME", str(tmp_path))

    done = CliRunner().invoke(app, ["models"])

    assert f"`stockcast run --home {tmp_path}` trains" in done.stdout


@dg.asset(config_schema={"force": bool, "patient": bool})
def daily_bars() -> None:
    raise KeyboardInterrupt


def test_a_run_that_is_interrupted_in_a_step_counts_as_stopped(tmp_path: Path) -> None:
    progress = RunProgress(make_console())
    definitions = dg.Definitions(
        assets=[daily_bars],
        jobs=[dg.define_asset_job("job")],
        loggers={LOGGER_KEY: as_logger(progress)},
    )
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = execute(definitions, "job", instance=instance, partitions={}, command="run")

    assert was_stopped(result)


@pytest.mark.slow
@pytest.mark.integration
def test_ctrl_c_ends_a_run_in_one_line(tmp_path: Path) -> None:
    home = load_settings(PipelineSettings, home=tmp_path).home
    has_sent: list[bool] = []

    def interrupt(output: str, process: int) -> None:
        if "daily_bars" in output and not has_sent:
            has_sent.append(True)
            os.kill(process, 2)

    shown = run_in_terminal(
        [str(COMMAND), "run", "--home", str(home)], columns=100, on_output=interrupt
    )

    assert shown.status == 130
    assert "Traceback" not in shown.output
    assert [line for line in shown.lines if line][-1].startswith("Interrupted; ")
