"""Swap of 5,000 tickers under load: duration, longest pause of other requests, and memory.

    python -m benchmarks bench_swap

A client on its own core requests one forecast after the other over one connection while the
champion alias moves. The forecasts of all tickers and horizons are computed at each swap.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from benchmarks.bench_http import CLIENT_CORE, ROOT, free_port, running

TICKERS = 5_000
SWAPS = 3
QUIET_SECONDS = 3.0
POLL_SECONDS = 0.1


class Client:
    """Requests forecasts without pause, and records the seconds of each response."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._number = 0

    def request(self) -> tuple[float, int]:
        """Return the seconds of one response and its model version."""
        self._number = (self._number + 997) % TICKERS
        started = time.perf_counter()
        self._connection.request("GET", f"/predict/T{self._number:04d}")
        response = self._connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        if response.status != http.client.OK:
            raise RuntimeError(content.decode())
        return seconds, json.loads(content)["model"]["version"]

    def request_until(self, version: int | None, seconds: float) -> list[float]:
        """Request until `version` is live, or for `seconds` if it is None."""
        latencies, started = [], time.perf_counter()
        while True:
            latency, live = self.request()
            latencies.append(latency)
            if live == version or time.perf_counter() - started > seconds:
                return latencies


def main() -> None:
    """Measure and print."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.serving.homes import TestHome, sample_snapshot  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        home = TestHome(Path(folder))
        versions = [home.register(seed) for seed in (1, 2)]
        home.move_alias("champion", versions[0])
        home.publish(_repeat(sample_snapshot(), TICKERS))
        port = free_port()
        env = {
            "STOCKCAST_HOME": str(home.path),
            "STOCKCAST_PORT": str(port),
            "STOCKCAST_POLL_SECONDS": str(POLL_SECONDS),
        }
        with running(["-m", "serving"], port, env) as pid:
            os.sched_setaffinity(0, {CLIENT_CORE})
            client = Client(port)
            quiet = client.request_until(None, QUIET_SECONDS)
            _report("quiet", quiet)
            for swap in range(SWAPS):
                home.move_alias("champion", versions[(swap + 1) % 2])
                started = time.perf_counter()
                latencies = client.request_until(versions[(swap + 1) % 2], 60)
                _report(f"swap {swap + 1}: {time.perf_counter() - started:.2f} s", latencies)
            memory = psutil.Process(pid).memory_info().rss / 2**20
            print(f"resident memory with {TICKERS} tickers: {memory:.0f} MB")


def _repeat(snapshot, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # types of the tests
    at = np.arange(n) % len(snapshot.tickers)
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal((n, 1, 1))

    def pick(values: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(values[i] for i in at)

    return replace(
        snapshot,
        tickers=tuple(f"T{i:04d}" for i in range(n)),
        exchanges=pick(snapshot.exchanges),
        as_of=pick(snapshot.as_of),
        close=pick(snapshot.close),
        target_sessions={h: pick(s) for h, s in snapshot.target_sessions.items()},
        windows=np.ascontiguousarray(snapshot.windows[at] * noise, np.float32),
        prices=None if snapshot.prices is None else snapshot.prices[at],
    )


def _report(name: str, latencies: list[float]) -> None:
    longest, median = max(latencies) * 1e3, statistics.median(latencies) * 1e3
    print(
        f"{name:16s} {len(latencies):6d} requests   median {median:.2f} ms   max {longest:.1f} ms"
    )


if __name__ == "__main__":
    main()
