"""Swap of 5,000 tickers under load: duration, and longest pause of other requests.

A client on its own core requests one forecast after the other over one connection while the
champion alias moves. The forecasts of all tickers and horizons are computed at each swap.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time

from benchmarks.service.homes import many_tickers, small_home
from benchmarks.service.servers import forecast_service, pin_client
from benchmarks.service.turns import print_goal

TICKERS = 5_000
SWAPS = 3
QUIET_SECONDS = 3.0
POLL_SECONDS = 0.1
GOAL_SECONDS, GOAL_PAUSE = 2.0, 20.0


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


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    swaps, quiet_seconds = (1, 0.5) if quick else (SWAPS, QUIET_SECONDS)
    with small_home() as home:
        home.publish(many_tickers(TICKERS))
        with forecast_service(home.path, poll_seconds=str(POLL_SECONDS)) as (_, port):
            pin_client()
            client = Client(port)
            _report("quiet", client.request_until(None, quiet_seconds))
            longest, pause = 0.0, 0.0
            for swap in range(swaps):
                version = 2 - swap % 2
                home.move_alias("champion", version)
                started = time.perf_counter()
                latencies = client.request_until(version, 60)
                seconds = time.perf_counter() - started
                _report(f"swap {swap + 1}: {seconds:.2f} s", latencies)
                longest, pause = max(longest, seconds), max(pause, *latencies)
            print_goal("longest swap", longest, GOAL_SECONDS, at_least=False, unit=" s")
            print_goal("longest response", 1e3 * pause, GOAL_PAUSE, at_least=False, unit=" ms")


def _report(name: str, latencies: list[float]) -> None:
    longest, median = max(latencies) * 1e3, statistics.median(latencies) * 1e3
    print(
        f"{name:16s} {len(latencies):6d} requests   median {median:.2f} ms   max {longest:.1f} ms"
    )
