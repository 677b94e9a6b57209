"""The forecast service as a child process: start it, send requests, stop it.

The process starts with ``python -m serving``. Only the settings of `serving` are imported here.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import PermanentError, TransientError
from core.settings import as_environment
from serving.settings import ServingSettings
from stockcast.cli.processes.port_owner import owns_port

START_SECONDS = 90
REQUEST_SECONDS = 10.0
LOG_LINES = 15


class ServiceProcess:
    """A running forecast service."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self._process = process
        self.address = address
        self.log = log

    def get(self, path: str) -> Any:  # noqa: ANN401  JSON has no type
        """Return the JSON response to GET `path`.

        Raises
        ------
        PermanentError
            If the service responds with an error status.
        TransientError
            If the service does not respond.
        """
        try:
            with urllib.request.urlopen(  # noqa: S310 - the address is our own, over loopback
                self.address + path, timeout=REQUEST_SECONDS
            ) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            msg = f"GET {path} failed with status {error.code}: {error.read().decode()}"
            raise PermanentError(msg) from None
        except OSError as error:
            msg = f"GET {path} got no response: {error}; see {self.log}."
            raise TransientError(msg) from error

    def wait_until_ready(self) -> None:
        """Block until the service can return forecasts.

        Raises
        ------
        TransientError
            If the process exits or is not ready in time; the message has the end of its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self._check_ready()
            except OSError:
                time.sleep(0.2)
            else:
                return
        status = self._process.poll()
        state = (
            f"is not ready after {START_SECONDS} s"
            if status is None
            else f"exited with status {status}"
        )
        log_end = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        msg = f"The forecast service {state}. The end of its log:\n{log_end}"
        raise TransientError(msg)

    def _check_ready(self) -> None:
        """Raise `OSError` unless the service is ready, and is this process."""
        with urllib.request.urlopen(self.address + "/readyz", timeout=REQUEST_SECONDS):  # noqa: S310
            port = int(self.address.rpartition(":")[2])
        if not owns_port(self._process.pid, port):
            msg = f"Another process listens on port {port}."
            raise OSError(msg)


@contextmanager
def run_service(settings: ServingSettings, *, port: int | None = None) -> Iterator[ServiceProcess]:
    """Run the service on `port`, by default a free one, until the block ends."""
    port = port or free_port()
    log = settings.home / "logs" / "serving.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **as_environment(settings), "STOCKCAST_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving"], env=environment, stdout=output, stderr=output
        )
        try:
            yield ServiceProcess(process, f"http://{settings.host}:{port}", log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=REQUEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
