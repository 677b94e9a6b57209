"""POST /predict with 250 bars, and POST /predict/batch with 1,000 tickers.

One connection, so that a response waits for no other. The client's times include the way over
loopback, so they are upper bounds of the server's times.
"""

from __future__ import annotations

import json

from benchmarks.service.homes import bars_of_a_caller, many_tickers, small_home
from benchmarks.service.load import post, send_load
from benchmarks.service.servers import forecast_service, pin_client
from benchmarks.service.turns import print_goal

BARS, TICKERS = 250, 1_000
GOAL_BARS, GOAL_BATCH = 5.0, 10.0


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    seconds = 0.5 if quick else 20.0
    names = [f"T{number:04d}" for number in range(TICKERS)]
    batch = json.dumps({"tickers": names, "horizon": "1d"}).encode()
    with small_home() as home:
        home.publish(many_tickers(TICKERS))
        with forecast_service(home.path) as (_, port):
            pin_client()
            one = post("/predict", bars_of_a_caller(BARS))
            many = post("/predict/batch", batch)
            for request in (one, many):
                send_load(port, request, seconds / 10, 1)  # a warm-up
            load = send_load(port, one, seconds, 1)
            print(f"POST /predict, {BARS} bars: p50 {load.milliseconds(0.5):.2f} ms")
            print_goal("p99", load.milliseconds(0.99), GOAL_BARS, at_least=False, unit=" ms")
            load = send_load(port, many, seconds, 1)
            print(f"POST /predict/batch, {TICKERS:,} tickers: p99 {load.milliseconds(0.99):.2f} ms")
            print_goal("median", load.milliseconds(0.5), GOAL_BATCH, at_least=False, unit=" ms")
