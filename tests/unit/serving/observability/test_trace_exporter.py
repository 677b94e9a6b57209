from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from support.observability.trace_receiver import run_trace_receiver
from support.services.external import free_port

from serving.observability.trace_exporter import LoggedExporter


def test_an_outage_of_the_receiver_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    span = TracerProvider().get_tracer("test").start_span("inference")
    span.end()
    assert isinstance(span, ReadableSpan)
    exporter = LoggedExporter()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            exporter.export([span])
        with run_trace_receiver(port) as receiver:
            for _ in range(2):
                exporter.export([span])
            assert len(receiver.spans("inference")) == 2
    exporter.shutdown()
    assert [line.partition(" ")[0] for line in caplog.messages] == [
        "event=trace_receiver_down",
        "event=trace_receiver_up",
    ]
