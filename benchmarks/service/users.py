"""100, 500 and 1,000 users of Locust for a minute each: errors, p95 and p99.

Locust runs in its own environment (`uv tool run`), because its server is gevent. Each user sends
one request per second: eight in ten for a forecast, the others pass through the application.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.service.homes import small_home
from benchmarks.service.servers import ROOT, forecast_service, pin_client
from benchmarks.service.turns import print_goal

USERS = (100, 500, 1_000)
UV = Path(sys.executable).with_name("uv")
LOCUST = [str(UV), "tool", "run", "--quiet", "--python", sys.executable, "--from", "locust>=2.40"]
QUANTILES = ("50%", "95%", "99%", "Max Response Time")


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    with small_home() as home, forecast_service(home.path) as (_, port):
        pin_client()
        for users in USERS[:1] if quick else USERS:
            _run(port, users, seconds=20 if quick else 60)


def _run(port: int, users: int, seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = [
            *("-f", str(ROOT / "benchmarks" / "programs" / "locustfile.py"), "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"),
            *("--host", f"http://127.0.0.1:{port}", "--csv", str(Path(folder, "out"))),
            *("--only-summary", "--exit-code-on-error", "0"),
        ]
        subprocess.run(
            [*LOCUST, "locust", *options],
            cwd=folder,
            check=True,
            timeout=seconds + 240,
            capture_output=True,
        )
        with Path(folder, "out_stats.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    for row in rows:
        times = "   ".join(f"{name} {row[name].partition('.')[0]} ms" for name in QUANTILES)
        count, rate = int(row["Request Count"]), float(row["Requests/s"])
        print(f"{users:5d} users  {row['Name']:26s} {count:7,} requests {rate:7.1f}/s   {times}")
    print_goal("errors", float(rows[-1]["Failure Count"]), 0, at_least=False)
