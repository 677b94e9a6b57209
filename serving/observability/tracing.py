"""OpenTelemetry traces, sent to the receiver at the standard ``OTEL_EXPORTER_OTLP_ENDPOINT``.

The other ``OTEL_*`` variables apply as well, such as ``OTEL_SERVICE_NAME`` and
``OTEL_TRACES_SAMPLER``. Without a receiver nothing is imported, and a span costs one comparison.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.observability.events import log_event

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NO_SPAN = nullcontext()
_UNMATCHED = "unmatched"

_tracer: Tracer | None = None


def span(name: str, **attributes: str | int | bool) -> AbstractContextManager[object]:
    """Return a context that records a part of the current request, such as ``inference``."""
    if _tracer is None:
        return _NO_SPAN
    return _tracer.start_as_current_span(name, attributes=attributes)


def current_trace_id() -> str | None:
    """Return the trace id of the current request; None without a receiver."""
    if _tracer is None:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span  # noqa: PLC0415

    return format_trace_id(get_current_span().get_span_context().trace_id)


def trace_requests(app: ASGIApp, fast_route: str) -> ASGIApp:
    """Return the app with one span per request, or the app itself without a receiver.

    Parameters
    ----------
    fast_route
        Pattern of the route that the app serves without the router.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return app
    try:
        return _instrument(_RouteNames(app, fast_route))
    except ImportError as error:
        fix = "install stockcast[tracing]"
        log_event("traces_not_exported", level=logging.WARNING, error=error, fix=fix)
        return app


def _instrument(app: ASGIApp) -> ASGIApp:
    global _tracer  # noqa: PLW0603  # one exporter per process
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from serving.observability.trace_exporter import LoggedExporter  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME", "stockcast")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(LoggedExporter()))
    _tracer = provider.get_tracer("stockcast.serving")
    traced: ASGIApp = OpenTelemetryMiddleware(
        app,
        default_span_details=lambda scope: (scope.get("method", scope["type"]), {}),
        tracer_provider=provider,
        exclude_spans=["receive", "send"],
    )
    return traced


class _RouteNames:
    """ASGI middleware that names the span of a request after its route."""

    def __init__(self, app: ASGIApp, fast_route: str) -> None:
        self._app = app
        self._fast_route = fast_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415  # only with a receiver

        async def send_and_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", self._route_without_router(scope))
                get_current_span().update_name(f"{scope['method']} {route}")
                get_current_span().set_attribute("http.route", route)
            await send(message)

        await self._app(scope, receive, send_and_name)

    def _route_without_router(self, scope: Scope) -> str:
        prefix = self._fast_route.partition("{")[0]
        return self._fast_route if scope["path"].startswith(prefix) else _UNMATCHED
