"""Timing of two functions in turns, so that noise of the machine affects both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# Shortest duration of a turn. A turn of few milliseconds would measure how the processor wakes up
# after the turn of the other function.
LEAST_SECONDS = 0.2


@dataclass(frozen=True)
class Comparison:
    """Median seconds of one call of `a` and of `b`, and their ratio b / a."""

    median_a: float
    median_b: float
    ratio: float


def compare(
    a: Callable[[], object], b: Callable[[], object], repeats: int = 5, *, warmups: int = 1
) -> Comparison:
    """Time `a` and `b` in turns of many calls; the first `warmups` rounds do not count."""
    sides = [(function, _calls_a_turn(function)) for function in (a, b)]
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(warmups + repeats):
        for (function, calls), kept in zip(sides, times, strict=True):
            elapsed = _seconds(function, calls)
            if round_ >= warmups:
                kept.append(elapsed)
    median_a, median_b = (statistics.median(kept) for kept in times)
    return Comparison(median_a, median_b, median_b / median_a)


def _calls_a_turn(function: Callable[[], object]) -> int:
    calls = 1
    while calls * _seconds(function, calls) < LEAST_SECONDS:
        calls *= 2
    return calls


def _seconds(function: Callable[[], object], calls: int) -> float:
    """Return the mean seconds of one call."""
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls
