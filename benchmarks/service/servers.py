"""Servers on one core, while the load generator has the other."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, CLIENT_CORE = 0, 1
START_SECONDS = 120


def pin_client() -> None:
    """Keep this process and its children off the core of the servers."""
    if len(os.sched_getaffinity(0)) <= max(SERVER_CORE, CLIENT_CORE):
        msg = "This benchmark needs two cores, one for the server and one for the client."
        raise SystemExit(msg)
    os.sched_setaffinity(0, {CLIENT_CORE})


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a Python program on the core of the servers; yield its process id once it listens."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKCAST_")}
    kept["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **(environment or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),  # noqa: PLW1509  # no threads yet
        )
        try:
            _wait_for(process, port, log)
            yield process.pid
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children, also if the program was killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def forecast_service(home: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """Run `python -m serving` on a home; yield its process id and port."""
    port = free_port()
    environment = {
        "STOCKCAST_HOME": str(home),
        "STOCKCAST_PORT": str(port),
        # The sample ends in 2013, and old data is a health issue.
        "STOCKCAST_MAX_DATA_AGE_SESSIONS": "100000",
        **{f"STOCKCAST_{name.upper()}": value for name, value in settings.items()},
    }
    with running(["-m", "serving"], port, environment) as pid:
        yield pid, port


@contextmanager
def asgi_server(
    app: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Run an ASGI app with uvicorn; yield its process id and port."""
    port = free_port()
    command = ["-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
    command += ["--log-level=warning", "--no-server-header"]
    command += ["--factory"] if app.endswith(":make_app") else []
    with running(command, port, environment) as pid:
        yield pid, port


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of one process."""
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    log.seek(0)
    end = log.read().decode(errors="replace")[-2000:]
    msg = f"{process.args!r} did not listen on {port} within {START_SECONDS} s:\n{end}"
    raise RuntimeError(msg)
