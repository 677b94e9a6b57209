"""Users that ask for one forecast per second; it runs in Locust's own environment.

uv tool run locust -f benchmarks/programs/locustfile.py --headless --users 100 --host URL
"""

from __future__ import annotations

import random

from locust import constant_pacing, task
from locust.contrib.fasthttp import FastHttpUser

TICKERS = ("AAPL", "GOOG", "IBM", "MSFT")
HORIZONS = ("1d", "1w", "1m")


class Reader(FastHttpUser):
    """Sends a request each second, mostly for a forecast."""

    wait_time = constant_pacing(1)

    @task(8)
    def forecast(self) -> None:
        """Request the forecast of any ticker and horizon."""
        ticker, horizon = random.choice(TICKERS), random.choice(HORIZONS)
        self.client.get(f"/predict/{ticker}?horizon={horizon}", name="/predict/{ticker}")

    @task(1)
    def comparison(self) -> None:
        """Request champion, members and challenger side by side."""
        ticker = random.choice(TICKERS)
        self.client.get(f"/models/compare/{ticker}", name="/models/compare/{ticker}")

    @task(1)
    def status(self) -> None:
        """Request the live version."""
        self.client.get("/models/status")
