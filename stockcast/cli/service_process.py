"""The forecast service as a process beside the pipelines: start it, ask it over HTTP, stop it.

It is started by its module's name; nothing of `serving` is imported here.
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

START_SECONDS = 90
ANSWER_SECONDS = 10.0


class ServiceProcess:
    """A running forecast service and its address."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self._process = process
        self.address = address
        self.log = log

    def ask(self, path: str) -> Any:  # noqa: ANN401  JSON has no type
        """Return the JSON answer to GET `path`.

        Raises
        ------
        PermanentError
            With the service's own words, when it refuses.
        TransientError
            When it does not answer.
        """
        try:
            with urllib.request.urlopen(  # noqa: S310 - the address is our own, over loopback
                self.address + path, timeout=ANSWER_SECONDS
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            msg = f"GET {path} was refused with {error.code}: {error.read().decode()}"
            raise PermanentError(msg) from None
        except OSError as error:
            msg = f"GET {path} was not answered: {error}; see {self.log}."
            raise TransientError(msg) from error

    def wait_until_ready(self) -> None:
        """Return when the service has a forecast to give.

        Raises
        ------
        TransientError
            When it ends or is not ready in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.ask_ready()
            except OSError:
                time.sleep(0.2)
            else:
                return
        status = self._process.poll()
        what = f"is not ready after {START_SECONDS} s" if status is None else f"ended ({status})"
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        msg = f"The forecast service {what}; its log ends:\n{tail}"
        raise TransientError(msg)

    def ask_ready(self) -> None:
        """Return quietly when the service is ready, else raise `OSError`."""
        with urllib.request.urlopen(self.address + "/readyz", timeout=ANSWER_SECONDS):  # noqa: S310
            return


@contextmanager
def run_service(settings: ServingSettings, *, port: int | None = None) -> Iterator[ServiceProcess]:
    """Run the service over `settings` on `port` (by default a free one) until the block ends."""
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
                process.wait(timeout=ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
