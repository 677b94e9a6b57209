"""Modules of the serving process: no training library, and no unpickling."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.serving.homes import shared_home
from support.serving.servers import ROOT

pytestmark = pytest.mark.integration

HEAVY = (
    *("tensorflow", "keras", "sklearn", "dagster", "evidently", "matplotlib", "joblib", "torch"),
    *("yfinance", "alpha_vantage", "bokeh_sampledata"),
)
# Sends requests to the app in its own process, and prints the imported modules.
PROGRAM = """
import asyncio, json, sys
unpickled = []
sys.addaudithook(lambda name, args: unpickled.append(args) if name == "pickle.find_class" else None)
import httpx
from serving.service import Stockcast

async def main():
    app = Stockcast.to_asgi()
    statuses = []
    transport = httpx.ASGITransport(app)
    scope, started, stop = {"type": "lifespan", "state": {}}, asyncio.Event(), asyncio.Event()
    async def receive():
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await stop.wait()
        return {"type": "lifespan.shutdown"}
    async def send(message):
        started.set()
    lifespan = asyncio.create_task(app(scope, receive, send))
    await started.wait()
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/predict/AAPL", "/predict/ibm", "/health", "/models/compare/GOOG", "/readyz"):
            statuses.append((await client.get(path)).status_code)
        statuses.append((await client.post("/predict", json={"ticker": "MSFT"})).status_code)
    stop.set()
    await lifespan
    return statuses

statuses = asyncio.run(main())
names = sorted({name.partition(".")[0] for name in sys.modules})
print("RESULT" + json.dumps({"statuses": statuses, "modules": names, "unpickled": len(unpickled)}))
"""


def run_python(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository until it ends."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("process")
    home = shared_home(tmp_path_factory.getbasetemp())
    (folder / "metrics").mkdir()
    env = {
        **os.environ,
        "STOCKCAST_HOME": str(home.path),
        "BENTOML_HOME": str(folder / "bentoml"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    done = run_python(env, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    parsed: dict[str, list[str]] = json.loads(line.removeprefix("RESULT"))
    return parsed


def test_every_route_responds(result: dict[str, list[str]]) -> None:
    assert result["statuses"] == [200] * 6


@pytest.mark.parametrize("module", HEAVY)
def test_serving_imports_no_training_library(result: dict[str, list[str]], module: str) -> None:
    assert "onnxruntime" in result["modules"]
    assert module not in result["modules"]


def test_serving_unpickles_nothing(result: dict[str, list[str]]) -> None:
    assert result["unpickled"] == 0


def test_an_invalid_setting_stops_the_service_with_its_name(tmp_path: Path) -> None:
    env = {**os.environ, "STOCKCAST_HOME": str(tmp_path), "STOCKCAST_POLL_SECONDS": "-1"}
    done = run_python(env, "-m", "serving")
    assert done.returncode == 2
    assert "STOCKCAST_POLL_SECONDS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.1"])
def test_an_address_that_cannot_be_used_stops_the_service_with_the_way_out(
    tmp_path: Path, host: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        env = {**os.environ, "STOCKCAST_HOME": str(tmp_path), "STOCKCAST_PORT": port}
        env |= {"STOCKCAST_HOST": host, "STOCKCAST_ACCESS": "open"}
        done = run_python(env, "-m", "serving")
    assert done.returncode == 2
    assert f"The service cannot listen on {host}:{port}" in done.stderr
    assert "STOCKCAST_PORT" in done.stderr
    assert "Traceback" not in done.stderr
