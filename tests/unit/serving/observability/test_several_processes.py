"""Metrics of several processes of one service, as `/metrics` exports them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROUTE = "/predict/{ticker}"
RECORD = """
import sys
from serving.observability.metrics import Metrics
metrics = Metrics()
for text in sys.argv[1:]:
    metrics.record_request("/predict/{ticker}", 200, float(text))
    metrics.count_cache_read("quotes", True)
    metrics.write()
"""
COLLECT = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.mark.slow
def test_requests_of_all_processes_are_in_one_histogram(tmp_path: Path) -> None:
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    run(RECORD, "0.00003", "0.03")
    run(RECORD, "0.03", "20")
    lines = run(COLLECT).splitlines()
    name, labels = "stockcast_request_seconds", f'route="{ROUTE}"'
    expected = {
        f'{name}_bucket{{le="5e-05",{labels}}} 1.0',
        f'{name}_bucket{{le="0.05",{labels}}} 3.0',
        f'{name}_bucket{{le="+Inf",{labels}}} 4.0',
        f"{name}_count{{{labels}}} 4.0",
        f"{name}_sum{{{labels}}} 20.06003",
        f'stockcast_requests_total{{{labels},status="200"}} 4.0',
        'stockcast_cache_reads_total{cache="quotes",result="hit"} 4.0',
    }
    assert expected - set(lines) == set()
