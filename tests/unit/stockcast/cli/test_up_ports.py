"""`stockcast up` refuses ports that other processes use, before it starts anything."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from support.serving.homes import TestHome
from typer.testing import CliRunner

from core.errors import PermanentError
from core.settings import load_settings
from stockcast.cli.app import app
from stockcast.cli.output.console import make_console
from stockcast.cli.processes.service_process import free_port
from stockcast.cli.settings import CommandSettings
from stockcast.cli.up import Component, _responds, check_ports, components, run_all

SOURCES = "SELECT source FROM model_versions"


def settings(home: Path, **ports: int) -> CommandSettings:
    free = {name: free_port() for name in ("port", "dagster_port", "mlflow_port")}
    return load_settings(CommandSettings, home=home, **free | ports)


@pytest.mark.parametrize("setting", ["port", "dagster_port", "mlflow_port"])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_of_another_process_is_refused_with_its_setting(
    tmp_path: Path, setting: str, address: str
) -> None:
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PermanentError) as refused:
            check_ports(components(settings(tmp_path, **{setting: port})))

    assert f"Port {port} of 127.0.0.1" in str(refused.value)
    assert f"is in use; set STOCKCAST_{setting.upper()} to a free port." in str(refused.value)


def test_one_port_for_two_components_is_refused(tmp_path: Path) -> None:
    port = free_port()

    with pytest.raises(PermanentError, match=f"Port {port} of 127.0.0.1 for Forecasts is in use"):
        check_ports(components(settings(tmp_path, port=port, dagster_port=port)))


def test_free_ports_are_accepted_and_stay_free(tmp_path: Path) -> None:
    parts = components(settings(tmp_path))

    check_ports(parts)
    check_ports(parts)


def test_up_with_a_taken_port_starts_nothing_and_prints_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for name, value in {"PORT": free_port(), "DAGSTER_PORT": port}.items():
            monkeypatch.setenv(f"STOCKCAST_{name}", str(value))
        monkeypatch.setenv("STOCKCAST_MLFLOW_PORT", str(free_port()))

        done = CliRunner().invoke(app, ["up", "--home", str(tmp_path)])

    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert line == (
        f"error: Port {port} of 127.0.0.1 for Dagster is in use; "
        "set STOCKCAST_DAGSTER_PORT to a free port."
    )
    assert list(tmp_path.iterdir()) == []


def test_the_response_of_another_process_on_the_port_is_not_taken_for_ours() -> None:
    with (
        HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        component = Component("X", (), "127.0.0.1", server.server_port, "STOCKCAST_PORT", "/")
        assert _responds(component, os.getpid())
        assert not _responds(component, other.pid)
        server.shutdown()
        thread.join()


def test_a_moved_home_is_repaired_before_mlflow_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = TestHome(tmp_path / "before")
    home.register(seed=1)
    moved = TestHome(home.path.rename(tmp_path / "after"))
    sources: list[str] = []

    def start(*_: object, **__: object) -> None:
        with sqlite3.connect(moved.path / "mlflow" / "mlflow.db") as database:
            sources.extend(source for (source,) in database.execute(SOURCES))
        raise KeyboardInterrupt

    monkeypatch.setattr("stockcast.cli.up.subprocess.Popen", start)
    run_all(settings(moved.path), make_console())

    (source,) = sources
    assert source.startswith(str(moved.path))


def test_mlflow_is_linked_to_its_registry(tmp_path: Path) -> None:
    [mlflow] = [part for part in components(settings(tmp_path)) if part.name == "MLflow"]

    assert mlflow.page == "/#/models?workflowType=machine_learning"
