"""BentoML service: builds the application state at start-up, and stops the refresh at shutdown.

``bentoml serve serving.service:Stockcast`` and ``python -m serving`` run the same ASGI app, which
`serving.asgi.fast_path` defines. No `from __future__ import annotations`: BentoML reads the
annotations of the typed route at run time.
"""

import asyncio
import contextlib
import gc
import sys
from typing import Any

import bentoml
from starlette.responses import Response
from starlette.types import ASGIApp

from core.clock import SystemClock
from core.settings import load_settings
from registry.versions import ModelRegistry
from serving.app import API_ROUTES, build_app
from serving.asgi.fast_path import FAST_ROUTE, FastPath
from serving.http.openapi import describe_routes
from serving.http.schemas.forecast import Forecast
from serving.http.schemas.requests import PredictRequest
from serving.observability.log_format import configure_logging
from serving.observability.metrics import Metrics
from serving.observability.tracing import trace_requests
from serving.routes.forecasts.predict import respond_to
from serving.settings import ServingSettings
from serving.state import build_state

_SWITCH_SECONDS = 0.0005
REST_APP = build_app()


class FastPathService(bentoml.Service[Any]):  # type: ignore[misc]  # BentoML ships no types
    """BentoML service with the fast path and the REST routes instead of BentoML's middleware."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:  # noqa: FBT001, FBT002  # BentoML's signature
        """Return the app for the server."""
        return trace_requests(FastPath(super().to_asgi(is_main), REST_APP), FAST_ROUTE)

    @property
    def openapi_spec(self) -> "_OpenApiDocument":
        """OpenAPI document with the REST routes."""
        return _OpenApiDocument(super().openapi_spec)


class _OpenApiDocument:
    """Has the method `asdict`, which BentoML expects of a specification."""

    def __init__(self, typed_routes: Any) -> None:  # noqa: ANN401  # BentoML ships no types
        self._typed_routes = typed_routes

    def asdict(self) -> dict[str, Any]:
        description: str = Stockcast.inner.__doc__  # type: ignore[attr-defined]
        return describe_routes(self._typed_routes.asdict(), description, API_ROUTES)


@bentoml.service(
    name="stockcast",
    service_class=FastPathService,
    workers=1,
    logging={"access": {"enabled": False}},
)
class Stockcast:
    """Calibrated stock forecasts: price target, probability of a rise, and intervals."""

    def __init__(self) -> None:
        settings = load_settings(ServingSettings)
        configure_logging(settings.log_format)  # `bentoml serve` has handlers of its own
        clock = SystemClock()
        registry = ModelRegistry.from_settings(settings, clock=clock)
        self._state = build_state(settings, clock, registry, Metrics())
        # BentoML creates this instance before the server accepts requests.
        REST_APP.state.service = self._state
        self._tasks: list[asyncio.Task[None]] = []

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Load champion and snapshot before the first request, then start the refresh."""
        refresher = self._state.refresher
        await refresher.start()
        background = (refresher.run(), self._state.protection.load.run())
        self._tasks += [asyncio.create_task(work) for work in background]
        # Objects of the start-up live until shutdown; a later scan of them would pause for 100 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        # A swap computes in a thread. With the default of 5 ms, each request would wait for it
        # several times.
        sys.setswitchinterval(_SWITCH_SECONDS)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __is_ready__(self) -> bool:  # BentoML's hook behind /readyz
        """Return whether forecasts are live."""
        live = self._state.live
        return live.forecasts is not None and not live.is_stopping

    @bentoml.api(route="/predict", output_spec=Forecast)  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Response:
        """Forecast a ticker of the published snapshot, or any ticker from the `bars` sent with it.

        `horizon` is 1d, 1w or 1m: 1, 5 or 21 sessions ahead. Errors are `application/problem+json`.
        """
        return await respond_to(self._state, request)


def stop_being_ready() -> None:
    """Tell load balancers to send no further requests; those that arrive are served."""
    REST_APP.state.service.live.is_stopping = True
