"""Throughput of GET /predict/{ticker}, compared with a minimal ASGI app.

    python benchmarks/bench_http.py [--home DIR] [--rounds 10] [--seconds 1]

Both servers run uvicorn on one core, and the client runs on another core. The servers take turns
in each round, so that noise affects both. The ratio is the median over the rounds, by wall clock
and by processor time of the server, which excludes other work on the core. Without `--home`, the
benchmark creates a small registry and snapshot in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psutil
import uvloop
from starlette.types import Receive, Scope, Send

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, CLIENT_CORE = 0, 1
CONNECTIONS = 32
START_SECONDS = 90
TARGET = 0.70
HELLO = "benchmarks.bench_http:hello"


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Send a minimal response."""
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


@dataclass
class Load:
    """Measurements of one client in one round."""

    seconds: float
    client_busy: float = 0.0
    server_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.latencies) / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Responses per second of processor time of the server."""
        return len(self.latencies) / self.server_seconds


class Connection(asyncio.Protocol):
    """A keep-alive connection with one pending request at a time."""

    def __init__(self, request: bytes, load: Load) -> None:
        self._request = request
        self._load = load
        self._received = b""
        self._sent_at = 0.0
        self._size = 0  # all responses of one path have the size of the first one
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count a complete response, and send the next request."""
        self._received += data
        if not self._size:
            self._size = _response_size(self._received)
        if len(self._received) < self._size:
            return
        self._load.latencies.append(time.perf_counter() - self._sent_at)
        self._load.failures += not self._received.startswith(b"HTTP/1.1 200")
        self._received = b""
        self._send()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)


def _response_size(received: bytes) -> int:
    head, _, _ = received.partition(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    return len(head) + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])


async def send_load(port: int, path: str, seconds: float) -> Load:
    """Send requests over several connections for `seconds`; return the measurements."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    load = Load(seconds)
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(request, load), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    load.latencies.clear()
    started, worked = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    load.seconds = time.perf_counter() - started
    load.client_busy = (time.process_time() - worked) / load.seconds
    for connection in connections:
        connection.close()
    if load.failures or not load.latencies:
        msg = f"{load.failures} of {len(load.latencies)} responses to {path} were not 200."
        raise RuntimeError(msg)
    return load


@contextmanager
def running(command: list[str], port: int, env: dict[str, str]) -> Iterator[int]:
    """Run a server on its core; yield its process id."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **env},
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),  # noqa: PLW1509  # no threads yet
    )
    try:
        _wait_for(process, port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    msg = f"{process.args!r} did not listen on {port} within {START_SECONDS} s"
    raise RuntimeError(msg)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def measure(home: Path, ticker: str, rounds: int, seconds: float) -> tuple[list[Load], list[Load]]:
    """Load both servers in turns. The first round is a warm-up and is not returned."""
    ports = free_port(), free_port()
    bare = ["-m", "uvicorn", HELLO, "--port", str(ports[1]), "--no-access-log", "--lifespan=off"]
    bare += ["--log-level=warning", "--no-server-header"]
    env = {"STOCKCAST_HOME": str(home), "STOCKCAST_PORT": str(ports[0])}
    forecasts: list[Load] = []
    hellos: list[Load] = []
    path = f"/predict/{ticker}?horizon=1d"
    with running(["-m", "serving"], ports[0], env) as ours, running(bare, ports[1], {}) as theirs:
        os.sched_setaffinity(0, {CLIENT_CORE})
        for _ in range(rounds + 1):
            forecasts.append(_one_round(ours, ports[0], path, seconds))
            hellos.append(_one_round(theirs, ports[1], "/", seconds))
    return forecasts[1:], hellos[1:]


def _one_round(pid: int, port: int, path: str, seconds: float) -> Load:
    before = _processor_seconds(pid)
    load = uvloop.run(send_load(port, path, seconds))
    load.server_seconds = _processor_seconds(pid) - before
    return load


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def report(forecasts: list[Load], hellos: list[Load]) -> float:
    """Print rates, latencies and the ratio, and return the ratio."""
    for name, loads in (("GET /predict/{ticker}", forecasts), ("bare ASGI hello", hellos)):
        latencies = sorted(latency for load in loads for latency in load.latencies)
        rate = statistics.median(load.rate for load in loads)
        cpu_rate = statistics.median(load.cpu_rate for load in loads)
        p50, p99 = (latencies[int(len(latencies) * q)] * 1e3 for q in (0.50, 0.99))
        busy = statistics.median(load.client_busy for load in loads)
        print(
            f"{name:24s} {rate:8.0f} responses/s  {cpu_rate:8.0f} per CPU second"
            f"   p50 {p50:.2f} ms   p99 {p99:.2f} ms   client busy {busy:.0%}"
        )
    pairs = list(zip(forecasts, hellos, strict=True))
    ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
    cpu_ratio = statistics.median(ours.cpu_rate / theirs.cpu_rate for ours, theirs in pairs)
    print(
        f"ratio {ratio:.2f} by the clock, {cpu_ratio:.2f} by processor time"
        f" (target: {TARGET:.2f} or more); {CONNECTIONS} connections, one core"
    )
    return ratio


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="home with the results of `stockcast run`")
    parser.add_argument("--ticker", default="AAPL")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    if len(os.sched_getaffinity(0)) <= max(SERVER_CORE, CLIENT_CORE):
        print("The HTTP benchmark needs two cores, one for the server and one for the client.")
        return
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or _small_home(Path(folder))
        report(*measure(home, args.ticker, args.rounds, args.seconds))


def _small_home(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from support.serving.homes import make_home  # noqa: PLC0415

    return make_home(folder).path


if __name__ == "__main__":
    main()
