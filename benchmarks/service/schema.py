"""Schemathesis with all checks on the OpenAPI document, 10,000 cases.

It runs in its own environment (`uv tool run`), as a client developer would run it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from benchmarks.service.homes import small_home
from benchmarks.service.servers import forecast_service, pin_client
from benchmarks.service.turns import print_goal

CASES = 10_000
MOST_SECONDS = 1_500
UV = Path(sys.executable).with_name("uv")
SCHEMATHESIS = [str(UV), "tool", "run", "--quiet", "--python", sys.executable]
SCHEMATHESIS += ["--from", "schemathesis>=4", "st", "run"]


def main(*, quick: bool = False) -> None:
    """Run and print."""
    cases, budget = (200, 30) if quick else (CASES, MOST_SECONDS)
    with small_home() as home, forecast_service(home.path) as (_, port):
        pin_client()
        document = f"http://127.0.0.1:{port}/docs.json"
        while not (operations := _operations(document)):
            time.sleep(0.5)
        each = -(-cases // operations)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.ndjson")
            options = ["--checks", "all", "--max-examples", str(each), "--continue-on-failure"]
            options += ["--phases", "examples,coverage,fuzzing", "--max-time", str(budget)]
            options += ["--report", "ndjson", "--report-ndjson-path", str(report), "--no-color"]
            done = subprocess.run(
                [*SCHEMATHESIS, document, *options],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=budget + 300,
            )
        lines = done.stdout.splitlines()
    print(f"{operations} operations, at most {each} cases for each in the fuzzing phase")
    summary = next((n for n, line in enumerate(lines) if "SUMMARY" in line), len(lines) - 30)
    print("\n".join(line for line in lines[summary:] if line.strip()))
    found = Counter(re.findall(r"^- (.+)$", done.stdout, re.MULTILINE))
    for failure, count in found.most_common():
        print(f"{count:4d} x {failure}")
    print_goal("kinds of failures", len(found), 0, at_least=False)


def _operations(document: str) -> int:
    try:
        with urllib.request.urlopen(document, timeout=10) as response:
            paths = json.load(response)["paths"]
    except OSError:
        return 0
    return sum(len(operations) for operations in paths.values())
