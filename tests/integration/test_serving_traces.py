"""Traces of a real service, received over HTTP in the OpenTelemetry protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.observability.trace_receiver import run_trace_receiver
from support.serving.homes import caller_bars, shared_home
from support.serving.servers import module_command, run_server, wait_until

pytestmark = pytest.mark.integration

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
# The names of the spans that a request to each route consists of.
PATHS = {
    "/predict/AAPL": ("GET /predict/{ticker}",),
    "/predict?ticker=AAPL&include=members": ("GET /predict", "cache"),
    "/models/compare/AAPL": ("GET /models/compare/{ticker}", "database", "inference"),
}


def test_the_spans_of_a_request_reach_the_receiver_in_the_trace_of_the_caller(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shared_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
    bars = {"ticker": "MINE", "horizon": "1w", "bars": caller_bars()}
    with run_trace_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with run_server(module_command, home.path, tmp_path / "server") as server:
            for path in PATHS:
                assert server.client.get(path, headers=headers).status_code == 200
            assert server.client.post("/predict", json=bars, headers=headers).status_code == 200
            wait_until(lambda: bool(receiver.spans("POST /predict")), 30, server)
            log = server.log.read_text()
        for names in (*PATHS.values(), ("POST /predict", "inference")):
            (root,) = receiver.spans(names[0])
            assert root.trace_id.hex() == TRACE_ID
            assert root.parent_span_id.hex() == PARENT_ID
            for name in names[1:]:
                assert any(
                    span.trace_id == root.trace_id and span.parent_span_id == root.span_id
                    for span in receiver.spans(name)
                ), name
    assert receiver.services == {"stockcast"}
    assert f"trace_id={TRACE_ID}" in log


def test_without_a_receiver_no_part_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys; from serving.observability.tracing import span, trace_requests;"
        "app = object(); assert trace_requests(app, '/') is app;"
        "assert span('a') is span('b');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.strip() == "[]"


def test_a_missing_exporter_is_logged_with_the_way_out_and_requests_go_on(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()  # stands for an installation without the exporter
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    program = (
        "import logging; logging.basicConfig();"
        "from serving.observability.tracing import trace_requests;"
        "app = object(); assert trace_requests(app, '/') is app"
    )
    env = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    assert "event=traces_not_exported" in done.stderr
    assert 'fix="install stockcast[tracing]"' in done.stderr
