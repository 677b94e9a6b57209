"""`stockcast up`: every service responds, and no process outlives the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from support.services.external import free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.in_order]
UP_SECONDS = 120


@dataclass(frozen=True)
class Up:
    """A running `stockcast up`."""

    process: subprocess.Popen[bytes]
    log: Path
    dagster: str
    mlflow: str
    forecasts: str


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    ports = {name: free_port() for name in ("DAGSTER_PORT", "MLFLOW_PORT", "PORT")}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STOCKCAST_")}
    environment |= {f"STOCKCAST_{name}": str(port) for name, port in ports.items()}
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("stockcast"), "up", "--home", folder / "home"],
            env=environment,
            stdout=output,
            stderr=output,
        )
        addresses = (f"http://127.0.0.1:{port}" for port in ports.values())
        try:
            yield Up(process, log, *addresses)
        finally:
            if process.poll() is None:
                for left in psutil.Process(process.pid).children(recursive=True):
                    left.kill()
                process.kill()
            process.wait()


def test_every_service_starts_and_responds(up: Up) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while "Everything is running." not in (log := up.log.read_text()):
        assert up.process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.2)

    query = {
        "query": "{ repositoriesOrError { __typename ... on RepositoryConnection "
        "{ nodes { location { name } } } } }"
    }
    result = httpx.post(f"{up.dagster}/graphql", json=query, timeout=30).json()
    nodes = result["data"]["repositoriesOrError"]["nodes"]
    assert [node["location"]["name"] for node in nodes] == ["stockcast"]
    assert httpx.get(f"{up.mlflow}/health", timeout=30).text == "OK"
    refusal = httpx.get(f"{up.forecasts}/predict/AAPL", timeout=30)
    assert refusal.status_code == 503
    assert "stockcast run" in refusal.json()["detail"]


def test_the_universe_is_followed_without_a_request(up: Up) -> None:
    query = {
        "query": '{ assetNodeOrError(assetKey: {path: ["daily_bars"]}) '
        "{ ... on AssetNode { partitionKeys } } }"
    }
    result = httpx.post(f"{up.dagster}/graphql", json=query, timeout=30).json()
    assert result["data"]["assetNodeOrError"]["partitionKeys"] == [
        "AAPL",
        "FB",
        "GOOG",
        "IBM",
        "MSFT",
    ]


def test_no_process_outlives_it(up: Up) -> None:
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) > 3

    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(timeout=90) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [process.cmdline() for process in alive] == []
