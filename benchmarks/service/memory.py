"""Resident memory of one process with 5,000 tickers, and its slope over a million requests."""

from __future__ import annotations

import numpy as np

from benchmarks.service.homes import many_tickers, small_home
from benchmarks.service.load import get, send_load
from benchmarks.service.servers import forecast_service, pin_client, resident_megabytes
from benchmarks.service.turns import print_goal

TICKERS, REQUESTS = 5_000, 1_000_000
GOAL_MEGABYTES = 300
# Precomputed forecasts, and responses that pass through the whole application.
PATHS = ("/predict/T0001", "/models/status", "/health")
STEPS = 20
LEAST_STEPS = 4  # for a slope with an error


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    requests = REQUESTS // 200 if quick else REQUESTS
    with small_home() as home:
        home.publish(many_tickers(TICKERS))
        with forecast_service(home.path) as (pid, port):
            pin_client()
            for path in PATHS:
                send_load(port, get(path), 0.5, 32)
            start = resident_megabytes(pid)
            print_goal(
                f"resident memory, {TICKERS:,} tickers",
                start,
                GOAL_MEGABYTES,
                at_least=False,
                unit=" MB",
            )
            done, series = 0, [(0, start)]
            while done < requests:
                for path, seconds in zip(PATHS, (0.8, 0.1, 0.1), strict=True):
                    share = 0.5 if quick else 5.0
                    done += len(send_load(port, get(path), seconds * share, 32).latencies)
                series.append((done, resident_megabytes(pid)))
    _print_slope(series)


def _print_slope(series: list[tuple[int, float]]) -> None:
    """Print the memory at some steps, and the slope after the first third with its error."""
    for done, megabytes in series[:: max(1, len(series) // STEPS)]:
        print(f"{done:9,} requests  {megabytes:6.1f} MB")
    later = np.array(series[len(series) // 3 :], dtype=float)
    if len(later) < LEAST_STEPS:
        print("Too few steps for a slope.")
        return
    (slope, _), covariance = np.polyfit(later[:, 0] / 1e6, later[:, 1], 1, cov=True)
    error = 2 * float(np.sqrt(covariance[0, 0]))
    within = "within" if abs(slope) <= error else "NOT within"
    print(f"slope {slope:+.2f} ± {error:.2f} MB per million requests: {within} noise of zero")
