"""The services of `docker-compose.yml`, run natively on loopback without a container engine.

Each service runs with its own command, environment and health check. Paths, names and ports of
the containers are replaced by those of this machine.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
_ENV_LINE = re.compile(r"^ENV (?P<pairs>(?:.*\\\n)*.*)$", re.MULTILINE)


def read_compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the content of the file, with `variables` substituted as Compose does it."""
    text = COMPOSE.read_text()
    if variables is not None:
        text = _VARIABLE.sub(lambda match: _fill(match, variables), text)
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def _fill(match: re.Match[str], variables: Mapping[str, str]) -> str:
    value = variables.get(match["name"], "")
    if value or match["kind"] is None:
        return value
    if match["kind"] == "?":
        msg = f"{match['name']}: {match['text']}"
        raise LookupError(msg)
    return match["text"]


def image_environment() -> dict[str, str]:
    """Return the environment variables that both targets of the Dockerfile set."""
    found: dict[str, str] = {}
    for match in _ENV_LINE.finditer(DOCKERFILE.read_text()):
        found.update(pair.split("=", 1) for pair in shlex.split(match["pairs"]) if "=" in pair)
    return found


@dataclass(frozen=True)
class Natively:
    """Maps values, parts of texts and ports of the containers to those of this machine."""

    values: Mapping[str, str]
    texts: Mapping[str, str]
    ports: Mapping[int, int]

    def variable(self, value: str) -> str:
        """Return the value of an environment variable for this machine."""
        return self.values.get(value) or self.text(value)

    def text(self, value: str) -> str:
        """Return a part of a command for this machine."""
        for container, here in self.texts.items():
            value = value.replace(container, here)
        return re.sub(r"(?<![\d.])\d{4}(?!\d)", lambda m: str(self._port(m[0])), value)

    def _port(self, text: str) -> int:
        return self.ports.get(int(text), int(text))


class NativeService:
    """One service of the Compose file as a process of this machine."""

    def __init__(self, name: str, definition: Mapping[str, Any], here: Natively) -> None:
        self.name = name
        self._command = [here.text(part) for part in definition["command"]]
        self._check = [here.text(part) for part in definition["healthcheck"]["test"][1:]]
        given = {k: v for k, v in definition["environment"].items() if v is not None}
        variables = {k: here.variable(v) for k, v in {**image_environment(), **given}.items()}
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.environment = {**variables, **path}

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start the service in the working directory `folder`, which also gets its log."""
        with self._log(folder).open("wb") as log:
            return subprocess.Popen(
                self._command,
                env=self.environment,
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def problem(self) -> str | None:
        """Run the service's own health check, and return its error output or None."""
        asked = subprocess.run(
            self._check, env=self.environment, capture_output=True, text=True, check=False
        )
        return None if asked.returncode == 0 else (asked.stderr or asked.stdout)[-1000:]

    def log_end(self, folder: Path) -> str:
        """Return the end of the service's log."""
        return self._log(folder).read_text(errors="replace")[-3000:]

    def _log(self, folder: Path) -> Path:
        return folder / f"{self.name}.log"


def stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Terminate the process groups of `processes`, and kill those that do not end."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        os.killpg(process.pid, signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
