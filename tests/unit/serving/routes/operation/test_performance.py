"""Request times, cache hits and memory of the process."""

from __future__ import annotations

import pytest
from support.serving.in_process import request
from support.serving.service_setup import ServiceSetup

from serving.observability.request_times import RequestTimes
from serving.routes.operation.performance import describe_times, summarise


def test_times_are_in_milliseconds_and_errors_are_those_of_the_server() -> None:
    times = RequestTimes()
    for seconds, status in ((0.001, 200), (0.001, 404), (0.002, 200), (0.05, 503)):
        times.record("/predict", status, seconds)
    described = describe_times(times.summary())
    assert (described.requests, described.error_rate) == (4, 0.25)
    assert described.mean_ms == pytest.approx(13.5, rel=0.01)
    assert described.p50_ms == pytest.approx(1.0, rel=0.12)
    assert described.p99_ms == pytest.approx(50, rel=0.12)


def test_without_requests_there_are_no_times(service: ServiceSetup) -> None:
    summary = summarise(service.state)
    assert (summary.total.requests, summary.total.p99_ms) == (0, None)
    assert summary.forecasts_under_100_ms is None
    assert summary.memory_mb is not None
    assert summary.memory_mb > 10


def test_forecasts_are_counted_apart_from_other_routes(service: ServiceSetup) -> None:
    service.go_live()
    for path in ("/predict/AAPL", "/predict?symbol=AAPL", "/health", "/predict/NOPE"):
        request(service, "GET", path)
    summary = request(service, "GET", "/performance/summary").json()
    assert (summary["total"]["requests"], summary["forecasts"]["requests"]) == (4, 3)
    assert summary["cache_hit_rate"] == {"forecasts": 0.5, "quotes": None}
    routes = request(service, "GET", "/performance/metrics").json()["routes"]
    assert {"/predict/{ticker}", "/predict", "/health", "/performance/summary"} <= set(routes)
