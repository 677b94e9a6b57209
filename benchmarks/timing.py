"""Side-by-side timing: two ways of doing one thing, run in turns so that noise hits both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Median seconds of a and b, and how many times longer b takes than a."""

    median_a: float
    median_b: float
    ratio: float


def compare(
    a: Callable[[], object], b: Callable[[], object], repeats: int = 5, *, warmups: int = 1
) -> Comparison:
    """Time `a` and `b` in turns; the first `warmups` rounds are not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(warmups + repeats):
        for function, kept in zip((a, b), times, strict=True):
            started = time.perf_counter()
            function()
            elapsed = time.perf_counter() - started
            if round_ >= warmups:
                kept.append(elapsed)
    median_a, median_b = (statistics.median(kept) for kept in times)
    return Comparison(median_a, median_b, median_b / median_a)
