"""Real services for tests: checks that they are reachable, and an MLflow server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.registry.databases import copy_empty_database

POSTGRES = ("127.0.0.1", 5432)
REDIS = ("127.0.0.1", 6379)
RABBITMQ = ("127.0.0.1", 5672)
# With this variable set to 1, a missing service fails a test instead of skipping it.
REQUIRE = "STOCKCAST_REQUIRE_SERVICES"


def require_postgres() -> str:
    """Return the address of the PostgreSQL server, without a database."""
    _require("PostgreSQL", *POSTGRES)
    return f"postgresql://postgres@{POSTGRES[0]}:{POSTGRES[1]}"


def require_redis() -> str:
    """Return the address of the Redis server."""
    _require("Redis", *REDIS)
    return f"redis://{REDIS[0]}:{REDIS[1]}"


def require_rabbitmq() -> str:
    """Return the address of the RabbitMQ server."""
    _require("RabbitMQ", *RABBITMQ)
    return f"amqp://guest:guest@{RABBITMQ[0]}:{RABBITMQ[1]}//"


def free_port() -> int:
    """Return an unused port on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def postgres_database() -> Iterator[str]:
    """Create an empty database, yield its address, and drop it."""
    server = require_postgres()
    name = f"stockcast_test_{uuid.uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name}")
    try:
        yield f"{server}/{name}"
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def mlflow_server(folder: Path, *, start_seconds: float = 90) -> Iterator[str]:
    """Run an MLflow server on SQLite in `folder`, and yield its address once it is healthy."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    copy_empty_database(folder / "mlflow.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(f"{address}/health", server, folder / "server.log", start_seconds)
            yield address
        finally:
            _stop(server)


def _execute(server: str, statement: str) -> None:
    import psycopg2  # noqa: PLC0415  not needed by the tests that need no database

    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _require(name: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        reason = f"{name} is not reachable at {host}:{port} ({error})"
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{reason}, and {REQUIRE}=1 requires it")
        pytest.skip(reason)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"{url} did not respond within {seconds} s:\n{log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the server and its workers, which share its process group."""
    try:
        os.killpg(process.pid, 15)
        process.wait(timeout=10)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(timeout=10)
