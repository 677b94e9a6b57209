"""GET /performance/metrics and /performance/summary: request times of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from serving.http.operations import OPERATION, ApiRoute, Operation
from serving.http.schemas.performance import PerformanceMetrics, PerformanceSummary, RequestTime
from serving.observability.request_times import RequestSummary
from serving.routes.common import read_query, respond
from serving.state import ServiceState, state_of

FORECAST_ROUTES = ("/predict", "/predict/{ticker}", "/predict/batch", "/batch-predict")
_FAST_SECONDS = 0.1
_MEBIBYTE = 2**20
_MEMORY = Path("/proc/self/statm")


async def get_performance_metrics(request: Request) -> Response:
    """Return the request times by route."""
    read_query(request)
    times = state_of(request).metrics.requests.times
    body = PerformanceMetrics(
        total=describe_times(times.summary()),
        routes={route: describe_times(times.summary([route])) for route in times.routes},
    )
    return respond(body)


async def get_performance_summary(request: Request) -> Response:
    """Return the request times of all routes and of forecasts."""
    read_query(request)
    return respond(summarise(state_of(request)))


def summarise(state: ServiceState) -> PerformanceSummary:
    """Return the body of `/performance/summary`."""
    requests = state.metrics.requests
    total, forecasts = requests.times.summary(), requests.times.summary(FORECAST_ROUTES)
    uptime = (state.clock.now() - state.started_at).total_seconds()
    return PerformanceSummary(
        uptime_seconds=round(uptime, 1),
        requests_per_second=round(total.requests / max(uptime, 1), 3),
        total=describe_times(total),
        forecasts=describe_times(forecasts),
        forecasts_under_100_ms=_rounded(forecasts.share_within(_FAST_SECONDS)),
        cache_hit_rate={
            "forecasts": _rounded(_fast_path_share(state.metrics.forecast_counts)),
            "quotes": _rounded(requests.cache_hit_rate("quotes")),
        },
        memory_mb=_rounded(_resident_mebibytes()),
    )


def describe_times(summary: RequestSummary) -> RequestTime:
    """Return a summary in milliseconds."""
    return RequestTime(
        requests=summary.requests,
        error_rate=_rounded(summary.error_rate),
        mean_ms=_milliseconds(summary.mean),
        p50_ms=_milliseconds(summary.quantile(0.5)),
        p95_ms=_milliseconds(summary.quantile(0.95)),
        p99_ms=_milliseconds(summary.quantile(0.99)),
    )


def _fast_path_share(counts: Mapping[tuple[str, str], int]) -> float | None:
    total = sum(counts.values())
    fast = sum(count for (route, _), count in counts.items() if route == "fast_path")
    return fast / total if total else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else _rounded(1000 * seconds)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _resident_mebibytes() -> float | None:
    """Return the resident memory of this process; None on a system without /proc."""
    try:
        pages = int(_MEMORY.read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE


ROUTES = (
    ApiRoute(
        "/performance/metrics",
        get_performance_metrics,
        Operation("Request times by route", OPERATION, PerformanceMetrics),
    ),
    ApiRoute(
        "/performance/summary",
        get_performance_summary,
        Operation("Request times, memory and cache hits", OPERATION, PerformanceSummary),
    ),
)
