"""The BentoML service: thin. It opens the office at start-up and closes it at the end.

``bentoml serve serving.service:Stockcast`` and ``python -m serving`` run the same ASGI app, front
included. No `from __future__ import annotations`: BentoML reads the annotations of the typed route.
"""

import asyncio
import contextlib
import gc
import logging
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp

from core.settings import load_settings
from forecasting.snapshot import SNAPSHOT_FOLDER
from registry.versions import ModelRegistry
from serving.app import build_app
from serving.asgi.error_boundary import ErrorBoundary
from serving.asgi.fast_path import FastPath
from serving.http.openapi import with_rest_routes
from serving.http.problems import problem_of
from serving.http.schemas import Forecast, PredictRequest
from serving.live.challenger import ChallengerCache
from serving.live.live_state import LiveState
from serving.live.refresher import ChampionRefresher
from serving.models.model_cache import ModelCache
from serving.models.snapshot_cache import SnapshotCache
from serving.observability.metrics import Metrics
from serving.provider_status import PriceFeed
from serving.quotes import QuoteCache
from serving.routes.predict import post_prediction
from serving.settings import ServingSettings
from serving.state import ServiceState

# BentoML keeps some 5 KB of a request alive until its time-out, answered or not.
_TIMEOUT_SECONDS = 10
# One process holds one office: BentoML makes one instance of the service in each.
OFFICE = ServiceState(LiveState())


class FastPathService(bentoml.Service[Any]):  # type: ignore[misc]  # BentoML ships no types here
    """A service whose ASGI app has the front outermost, whoever runs it."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:  # noqa: FBT001, FBT002  # BentoML's signature
        """Return the app that a server runs."""
        return FastPath(super().to_asgi(is_main), OFFICE)

    @property
    def openapi_spec(self) -> "_Document":
        """The OpenAPI document, REST routes included."""
        return _Document(super().openapi_spec)


class _Document:
    """What BentoML asks a specification for."""

    def __init__(self, typed_routes: Any) -> None:  # noqa: ANN401  # BentoML ships no types
        self._typed_routes = typed_routes

    def asdict(self) -> dict[str, Any]:
        document = with_rest_routes(self._typed_routes.asdict())
        document["info"]["description"] = Stockcast.inner.__doc__  # type: ignore[attr-defined]
        return document


@bentoml.service(
    name="stockcast",
    service_class=FastPathService,
    workers=1,
    traffic={"timeout": _TIMEOUT_SECONDS},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(build_app(OFFICE), path="/")
class Stockcast:
    """Calibrated stock forecasts: price target, probability of a rise, and intervals."""

    def __init__(self) -> None:
        settings = load_settings(ServingSettings)
        registry = ModelRegistry.from_settings(settings)
        cache = ModelCache(registry, settings.home / "serving" / "models")
        snapshots = settings.home / SNAPSHOT_FOLDER
        OFFICE.desk.poll_seconds = settings.poll_seconds
        OFFICE.metrics = Metrics()
        OFFICE.challenger = ChallengerCache(
            registry, cache, SnapshotCache(snapshots), poll_seconds=settings.poll_seconds
        )
        OFFICE.quotes = QuoteCache(settings)
        self._watch = ChampionRefresher(
            OFFICE.desk,
            registry,
            cache,
            SnapshotCache(snapshots),
            OFFICE.metrics,
            prices=PriceFeed(settings),
        )
        self._following: asyncio.Task[None] | None = None
        # BentoML logs a traceback for every malformed request; its sender has the reason already.
        logging.getLogger("bentoml._internal.server.http_app").addFilter(_is_our_fault)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def open(self) -> None:
        """Have answers before the first request, then follow what changes."""
        await asyncio.to_thread(self._watch.refresh)
        self._following = asyncio.create_task(self._watch.run())
        # What start-up made stays for good; scanning it again costs a pause of 100 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following

    async def __is_ready__(self) -> bool:  # BentoML's hook behind /readyz
        """Say whether a champion and a snapshot are live."""
        return OFFICE.desk.live is not None

    @bentoml.api(route="/predict", output_spec=Forecast)  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Response:
        """Forecast a known ticker, or any ticker from your own `bars`.

        `horizon` is 1d, 1w or 1m: 1, 5 or 21 sessions ahead. Errors are `application/problem+json`.
        """
        try:
            return await post_prediction(OFFICE, request)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:  # noqa: PLR2004
                raise
            return problem.response()


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ValidationError | BentoMLException)


Stockcast.add_asgi_middleware(ErrorBoundary)  # type: ignore[attr-defined]  # a Service by now
