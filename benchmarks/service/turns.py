"""Two servers under load in turns, so that noise of the machine affects both."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchmarks.service.load import Load, send_load
from benchmarks.service.servers import processor_seconds


@dataclass(frozen=True)
class Side:
    """A running server and the request that it gets."""

    label: str
    pid: int
    port: int
    request: bytes


def take_turns(
    ours: Side, theirs: Side, *, rounds: int, seconds: float, connections: int
) -> tuple[list[Load], list[Load]]:
    """Load both servers in each round. The first round is a warm-up and is not returned."""
    loads = [
        [_one_round(side, seconds, connections) for side in (ours, theirs)]
        for _ in range(rounds + 1)
    ]
    return [a for a, _ in loads[1:]], [b for _, b in loads[1:]]


def _one_round(side: Side, seconds: float, connections: int) -> Load:
    before = processor_seconds(side.pid)
    load = send_load(side.port, side.request, seconds, connections)
    load.server_seconds = max(processor_seconds(side.pid) - before, 0.01)
    return load


def print_loads(label: str, loads: list[Load], connections: int) -> None:
    """Print rates and latencies of one server."""
    together = Load(sum(load.seconds for load in loads))
    together.latencies = [latency for load in loads for latency in load.latencies]
    rate, cpu_rate = (
        statistics.median(x) for x in zip(*((y.rate, y.cpu_rate) for y in loads), strict=True)
    )
    print(
        f"{label:26s} {connections:5d} connections {rate:9.1f}/s {cpu_rate:9.1f} per CPU second"
        f"   p50 {together.milliseconds(0.5):8.2f} ms   p99 {together.milliseconds(0.99):8.2f} ms"
        f"   client busy {statistics.median(x.client_busy for x in loads):.0%}"
    )


def median_ratio(ours: list[Load], theirs: list[Load]) -> float:
    """Return the median ratio of the rates, round by round."""
    return statistics.median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def print_goal(label: str, value: float, goal: float, *, at_least: bool, unit: str = "") -> None:
    """Print a figure and its goal."""
    reached = value >= goal if at_least else value <= goal
    print(
        f"{label}: {value:,.2f}{unit}; goal: at {'least' if at_least else 'most'} {goal:,g}{unit}:"
        f" {'reached' if reached else 'MISSED'}"
    )
