"""Forecast services in their own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from support.services.external import free_port

from serving.observability.metric_files import SHARED_MEMORY

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 120
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Server:
    """A running service, its log file and an HTTP client."""

    url: str
    log: Path
    client: httpx.Client
    process: subprocess.Popen[bytes]

    def get(self, path: str, **params: str) -> httpx.Response:
        return self.client.get(path, params=params or None)

    def post(self, path: str, **options: object) -> httpx.Response:
        return self.client.post(path, **options)  # type: ignore[arg-type]


def module_command(_: int) -> list[str]:
    return [sys.executable, "-m", "serving"]


def bentoml_command(port: int) -> list[str]:
    bentoml = str(Path(sys.executable).with_name("bentoml"))
    return [bentoml, "serve", "serving.service:Stockcast", "--port", str(port)]


def metric_files(server: Server) -> list[Path]:
    """Return the metric files of a service that was started by `module_command`."""
    return sorted(SHARED_MEMORY.glob(f"stockcast-serving-*/metrics/*_{server.process.pid}.db"))


@contextmanager
def run_server(
    command: Callable[[int], list[str]], home: Path, folder: Path, **settings: str
) -> Iterator[Server]:
    """Run a service over a home; it accepts requests when the block begins."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("STOCKCAST_")}
    env |= {
        "STOCKCAST_HOME": str(home),
        "STOCKCAST_PORT": str(port),
        "STOCKCAST_POLL_SECONDS": str(POLL_SECONDS),
        # The sample ends in 2013, and old data is a health issue.
        "STOCKCAST_MAX_DATA_AGE_SESSIONS": "100000",
        "STOCKCAST_LOG_FORMAT": "text",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    if command is bentoml_command:
        env["BENTOML_HOME"] = str(folder / "bentoml")
    env |= {f"STOCKCAST_{name.upper()}": value for name, value in settings.items()}
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(command(port), cwd=ROOT, env=env, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    server = Server(url, log, httpx.Client(base_url=url, timeout=30), process)
    try:
        wait_until(lambda: _listens(process, server), START_SECONDS, server)
        yield server
    finally:
        server.client.close()
        process.terminate()
        process.wait(30)


def wait_until(
    met: Callable[[], bool], seconds: float, server: Server, *, every: float = 0.1
) -> float:
    """Wait for a condition and return the seconds; raise with the log of the server."""
    started = time.monotonic()
    while not met():
        if time.monotonic() - started > seconds:
            log = server.log.read_text()
            msg = f"The condition was not met within {seconds} s. Log of the server:\n{log}"
            raise AssertionError(msg)
        time.sleep(every)
    return time.monotonic() - started


def _listens(process: subprocess.Popen[bytes], server: Server) -> bool:
    assert process.poll() is None, server.log.read_text()
    try:
        return server.get("/livez").status_code == 200
    except httpx.TransportError:
        return False
