"""A load generator of keep-alive connections, each with one pending request at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

ALL_SECONDS = 60.0  # longest wait for one response on each connection


def get(path: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Return the bytes of a POST request with JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


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

    def milliseconds(self, quantile: float) -> float:
        """Return a quantile of the latencies."""
        return 1e3 * sorted(self.latencies)[int((len(self.latencies) - 1) * quantile)]


class Connection(asyncio.Protocol):
    """Sends its request again after each response."""

    def __init__(self, request: bytes, load: Load) -> None:
        self._request = request
        self._load = load
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count a complete response, and send the next request."""
        self._received += data
        if len(self._received) < _response_size(self._received):
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
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return len(received) + 1
    head = received[:end].lower()
    at = head.find(b"content-length:")
    return end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])


def send_load(port: int, request: bytes, seconds: float, connections: int) -> Load:
    """Send `request` again and again over `connections`; raise if a response is not 200."""
    load = collect_load(port, request, seconds, connections)
    if load.failures or not load.latencies:
        line = request.split(b"\r\n", 1)[0].decode()
        msg = f"{load.failures} of {len(load.latencies)} responses to {line} were not 200."
        raise RuntimeError(msg)
    return load


def collect_load(port: int, request: bytes, seconds: float, connections: int) -> Load:
    """Send `request` again and again, and count the responses that are not 200."""
    return uvloop.run(_send_load(port, request, seconds, connections))


async def _send_load(port: int, request: bytes, seconds: float, connections: int) -> Load:
    load = Load(seconds)
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(request, load), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    load.latencies.clear()
    load.failures = 0
    started, worked = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    deadline = started + ALL_SECONDS
    # A slow server would otherwise be measured by the first few of its responses.
    while len(load.latencies) < connections and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    load.seconds = time.perf_counter() - started
    load.client_busy = (time.process_time() - worked) / load.seconds
    for connection in opened:
        connection.close()
    return load
