"""`stockcast up`: run Dagster, MLflow and the forecast service on one machine until Ctrl-C.

Production starts the same processes with `docker-compose.yml`.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from core.errors import PermanentError
from core.settings import as_environment
from market.providers.factory import make_provider
from pipelines.partitions import follow_universe, universe
from registry.pages import REGISTRY_PAGE
from registry.versions import ModelRegistry
from stockcast.cli.dagster_instance import dagster_home, open_instance
from stockcast.cli.output.console import print_line
from stockcast.cli.processes.port_owner import owns_port
from stockcast.cli.settings import CommandSettings

STOP_SECONDS = 15.0
START_SECONDS = 300.0
POLL_SECONDS = 0.5
WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


@dataclass(frozen=True)
class Component:
    """One process: its command, where it listens, its health check and its first page.

    `setting` is the variable of its port.
    """

    name: str
    command: tuple[str, ...]
    host: str
    port: int
    setting: str
    health_path: str
    page: str = ""

    @property
    def address(self) -> str:
        """The URL of the process."""
        return f"http://{self.host}:{self.port}"


def components(settings: CommandSettings) -> list[Component]:
    """Return the processes to start."""
    python, host = sys.executable, settings.host
    # An installed wheel has no workspace file.
    location = ["-w", str(WORKSPACE)] if WORKSPACE.exists() else ["-m", "pipelines.definitions"]
    dagster_port, port = settings.dagster_port, settings.port
    dagster = (python, "-m", "dagster", "dev", "-h", host, "-p", str(dagster_port), *location)
    result = [
        Component("Dagster", dagster, host, dagster_port, "STOCKCAST_DAGSTER_PORT", "/server_info"),
        Component("Forecasts", (python, "-m", "serving"), host, port, "STOCKCAST_PORT", "/livez"),
    ]
    if settings.mlflow_tracking_uri is None:
        result.append(_mlflow(settings))
    return result


def _mlflow(settings: CommandSettings) -> Component:
    host, port = settings.host, settings.mlflow_port
    server = (sys.executable, "-m", "mlflow", "server", "--workers", "1")
    options = ("--host", host, "--port", str(port), "--backend-store-uri", settings.tracking_uri)
    return Component(
        "MLflow", server + options, host, port, "STOCKCAST_MLFLOW_PORT", "/health", REGISTRY_PAGE
    )


def check_ports(parts: Sequence[Component]) -> None:
    """Check that every component can listen on its port.

    A health check would accept the response of any other process on a port that is taken, and
    Dagster keeps running after its web server failed to start.

    Raises
    ------
    PermanentError
        If a port is taken or two components have the same port.
    """
    problems = []
    with ExitStack() as sockets:
        for part in parts:
            family = socket.AF_INET6 if ":" in part.host else socket.AF_INET
            try:
                sockets.enter_context(socket.create_server((part.host, part.port), family=family))
            except OSError as error:
                reason = "is in use" if error.errno == errno.EADDRINUSE else f"failed: {error}"
                problems.append(
                    f"Port {part.port} of {part.host} for {part.name} {reason}; "
                    f"set {part.setting} to a free port."
                )
    if problems:
        raise PermanentError("\n".join(problems))


def run_all(settings: CommandSettings, console: Console) -> None:
    """Start all processes, print their addresses when they respond, and stop them on Ctrl-C.

    Raises
    ------
    PermanentError
        If a port is taken, or a process exits or does not respond; the message has the path of
        its log.
    """
    parts = components(settings)
    check_ports(parts)
    environment = _environment(settings)
    ModelRegistry.from_settings(settings).list()
    follow_universe(open_instance(settings), universe(settings, make_provider(settings)))
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    # A shell starts background jobs with SIGINT ignored, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes: dict[Component, subprocess.Popen[bytes]] = {}
    try:
        for component in parts:
            with _log(logs, component).open("wb") as output:
                processes[component] = subprocess.Popen(  # noqa: S603 - our own commands
                    component.command,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # one group per component, to stop its children too
                )
        _monitor(processes, logs, console)
    except KeyboardInterrupt:
        print_line(console, "Stopping ...")
    finally:
        _stop(processes)


def _monitor(
    processes: Mapping[Component, subprocess.Popen[bytes]], logs: Path, console: Console
) -> None:
    starting = list(processes)
    names = ", ".join(component.name for component in starting)
    print_line(console, f"Starting {names}; logs are in {logs}.")
    deadline = time.monotonic() + START_SECONDS
    while True:
        for component, process in processes.items():
            if process.poll() is not None:
                status, log = process.returncode, _log(logs, component)
                msg = f"{component.name} exited with status {status}; see {log}."
                raise PermanentError(msg)
        for component in [c for c in starting if _responds(c, processes[c].pid)]:
            starting.remove(component)
            print_line(console, f"  {component.name:<10} {component.address}{component.page}")
            if not starting:
                print_line(console, "Everything is running. Press Ctrl-C to stop.")
        if starting and time.monotonic() > deadline:
            component = starting[0]
            log = _log(logs, component)
            msg = f"{component.name} did not respond within {START_SECONDS:.0f} s; see {log}."
            raise PermanentError(msg)
        time.sleep(POLL_SECONDS)


def _responds(component: Component, process_id: int) -> bool:
    """Return whether a component responds on its port, and not another process."""
    url = component.address + component.health_path
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310
            return owns_port(process_id, component.port)
    except OSError:
        return False


def _stop(processes: Mapping[Component, subprocess.Popen[bytes]]) -> None:
    """Interrupt all processes, then kill those that are left with their children."""
    for process in processes.values():
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(settings: CommandSettings) -> dict[str, str]:
    own = {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
    }
    return {**os.environ, **own, **as_environment(settings)}


def _log(logs: Path, component: Component) -> Path:
    return logs / f"{component.name.lower()}.log"


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
