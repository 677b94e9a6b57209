"""Exporter of spans that logs an outage of the receiver once. Imported only with a receiver."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from serving.observability.events import log_event

# A shutdown waits for the last spans, so the ten seconds of the library are too long.
_TIMEOUT_SECONDS = 2
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")


class LoggedExporter(SpanExporter):
    """Sends spans over HTTP, and drops them while the receiver does not respond."""

    def __init__(self) -> None:
        # The library logs every attempt.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        is_set = any(os.environ.get(name) for name in _TIMEOUTS)
        self._exporter = OTLPSpanExporter(timeout=None if is_set else _TIMEOUT_SECONDS)
        self._is_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch of spans."""
        result = self._exporter.export(spans)
        is_down = result is not SpanExportResult.SUCCESS
        if is_down and not self._is_down:
            fix = "start the receiver, or correct OTEL_EXPORTER_OTLP_ENDPOINT"
            log_event("trace_receiver_down", level=logging.WARNING, fix=fix)
        elif self._is_down and not is_down:
            log_event("trace_receiver_up")
        self._is_down = is_down
        return result

    def shutdown(self) -> None:
        """Send no further spans."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
