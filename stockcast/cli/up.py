"""Everything on a laptop at once: Dagster, MLflow and the forecast service, until Ctrl-C.

Production runs the same processes by its own means (see `docker-compose.yml`).
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from core.errors import PermanentError
from core.settings import as_environment
from market.providers.factory import make_provider
from pipelines.partitions import follow_universe, universe
from stockcast.cli.dagster_instance import dagster_home, open_instance
from stockcast.cli.settings import CommandSettings

STOP_SECONDS = 15.0
WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


@dataclass(frozen=True)
class Part:
    """One process: how it starts, and the address that answers when it is up."""

    name: str
    command: tuple[str, ...]
    address: str
    health: str


def parts(settings: CommandSettings) -> list[Part]:
    """Return the processes that make up the whole of Stockcast."""
    python, host = sys.executable, settings.host
    dagster = [python, "-m", "dagster", "dev", "-h", host, "-p", str(settings.dagster_port)]
    where = ["-w", str(WORKSPACE)] if WORKSPACE.exists() else ["-m", "pipelines.definitions"]
    found = [
        Part(
            "Dagster", (*dagster, *where), f"http://{host}:{settings.dagster_port}", "/server_info"
        ),
        Part(
            "Forecasts",
            (python, "-m", "serving"),
            f"http://{host}:{settings.port}",
            "/livez",
        ),
    ]
    if settings.mlflow_tracking_uri is None:
        found.append(_mlflow(settings))
    return found


def _mlflow(settings: CommandSettings) -> Part:
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", settings.host, "--port", str(settings.mlflow_port)]
    command += ["--backend-store-uri", settings.tracking_uri]
    return Part(
        "MLflow", tuple(command), f"http://{settings.host}:{settings.mlflow_port}", "/health"
    )


def run_all(settings: CommandSettings, console: Console) -> None:
    """Start every part, print their addresses as they come up, and stop them all on Ctrl-C.

    Raises
    ------
    PermanentError
        When a part ends by itself; the message names its log.
    """
    environment = _environment(settings)
    follow_universe(open_instance(settings), universe(settings, make_provider(settings)))
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    # A shell starts background jobs deaf to it, and the parts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    running: dict[Part, subprocess.Popen[bytes]] = {}
    try:
        for part in parts(settings):
            with _log(logs, part).open("wb") as output:
                running[part] = subprocess.Popen(  # noqa: S603 - our own commands
                    part.command,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # one group a part, to be ended with its children
                )
        _watch(running, logs, console)
    except KeyboardInterrupt:
        console.print("Stopping …")
    finally:
        _stop(running)


def _watch(running: Mapping[Part, subprocess.Popen[bytes]], logs: Path, console: Console) -> None:
    waiting = list(running)
    console.print(f"Starting {', '.join(part.name for part in waiting)}; logs are in {logs}.")
    while True:
        for part, process in running.items():
            if process.poll() is not None:
                msg = f"{part.name} ended with {process.returncode}; see {_log(logs, part)}."
                raise PermanentError(msg)
        for part in [part for part in waiting if _answers(part)]:
            waiting.remove(part)
            console.print(f"  {part.name:<10} {part.address}")
            if not waiting:
                console.print("All is up. Stop with Ctrl-C.")
        time.sleep(0.5)


def _answers(part: Part) -> bool:
    try:
        with urllib.request.urlopen(part.address + part.health, timeout=2):  # noqa: S310
            return True
    except OSError:
        return False


def _stop(running: Mapping[Part, subprocess.Popen[bytes]]) -> None:
    """Ask every part to end, and end what is left of it, children included."""
    for process in running.values():
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in running.values():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(settings: CommandSettings) -> dict[str, str]:
    quiet = {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
    }
    return {**os.environ, **quiet, **as_environment(settings)}


def _log(logs: Path, part: Part) -> Path:
    return logs / f"{part.name.lower()}.log"


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
