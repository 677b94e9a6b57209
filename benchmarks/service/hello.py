"""Throughput of GET /predict/{ticker}, with all its headers, and of a bare ASGI app.

Both servers run uvicorn on one core, and the client runs on another one. The ratio by processor
time excludes other work on the core.
"""

from __future__ import annotations

import statistics

from benchmarks.service.homes import small_home
from benchmarks.service.load import get
from benchmarks.service.servers import asgi_server, forecast_service, pin_client
from benchmarks.service.turns import Side, median_ratio, print_goal, print_loads, take_turns

CONNECTIONS = (1, 32, 256)
GOAL = 0.85


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    with (
        small_home() as home,
        forecast_service(home.path) as ours,
        asgi_server("benchmarks.programs.hello:app") as theirs,
    ):
        pin_client()
        sides = (
            Side("GET /predict/{ticker}", *ours, get("/predict/AAPL?horizon=1d")),
            Side("bare ASGI hello", *theirs, get("/")),
        )
        for connections in CONNECTIONS:
            rounds, seconds = (1, 0.2) if quick else (10, 1.0)
            loads = take_turns(*sides, rounds=rounds, seconds=seconds, connections=connections)
            for side, each in zip(sides, loads, strict=True):
                print_loads(side.label, each, connections)
            by_processor = statistics.median(
                a.cpu_rate / b.cpu_rate for a, b in zip(*loads, strict=True)
            )
            print_goal("requests/s", median_ratio(*loads), GOAL, at_least=True)
            print(f"by processor time: {by_processor:.2f}")
