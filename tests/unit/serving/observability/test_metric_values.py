"""Values of the real Prometheus metrics."""

from __future__ import annotations

from functools import partial

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from serving.observability.metrics import Metrics

Series = tuple[Metrics, CollectorRegistry]


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> Series:
    """Return metrics in a registry of their own, because names are unique in the shared one."""
    registry = CollectorRegistry()
    for kind in ("Counter", "Gauge", "Histogram"):
        factory = partial(getattr(prometheus_client, kind), registry=registry)
        monkeypatch.setattr(prometheus_client, kind, factory)
    return Metrics(), registry


def test_the_registry_gauge_is_one_while_it_responds_and_else_zero(series: Series) -> None:
    metrics, registry = series
    for up in (True, False, True):
        metrics.set_registry_up(up=up)
        assert registry.get_sample_value("stockcast_registry_up") == float(up)


def test_a_publication_sets_version_and_age_and_counts_its_event(series: Series) -> None:
    metrics, registry = series
    metrics.record_published(3, 2, "champion_swapped")
    metrics.record_published(4, 0, "champion_swapped")
    metrics.count_refused()
    assert registry.get_sample_value("stockcast_champion_version") == 4
    assert registry.get_sample_value("stockcast_data_age_sessions") == 0
    changes = {
        event: registry.get_sample_value("stockcast_changes_total", {"event": event})
        for event in ("champion_swapped", "champion_refused", "snapshot_swapped")
    }
    assert changes == {"champion_swapped": 2, "champion_refused": 1, "snapshot_swapped": None}


def test_forecasts_are_exported_once(series: Series) -> None:
    metrics, registry = series
    labels = {"route": "rest", "horizon": "1d"}
    totals = []
    for new in (2, 1, 0):
        for _ in range(new):
            metrics.count_forecast("rest", "1d")
        metrics.write()
        totals.append(registry.get_sample_value("stockcast_forecasts_total", labels))
    assert totals == [2, 3, 3]


def test_request_times_are_exported_once_by_route_and_status(series: Series) -> None:
    metrics, registry = series
    labels = {"route": "/predict/{ticker}"}
    for seconds, status in ((0.00003, 200), (0.03, 200), (20.0, 503)):
        metrics.record_request(labels["route"], status, seconds)
        metrics.write()
    metrics.write()
    name = "stockcast_request_seconds"
    buckets = {
        bound: registry.get_sample_value(f"{name}_bucket", {**labels, "le": bound})
        for bound in ("2.5e-05", "5e-05", "0.025", "0.05", "10.0", "+Inf")
    }
    expected = {"2.5e-05": 0, "5e-05": 1, "0.025": 1, "0.05": 2, "10.0": 2, "+Inf": 3}
    assert buckets == expected
    assert registry.get_sample_value(f"{name}_count", labels) == 3
    assert registry.get_sample_value(f"{name}_sum", labels) == pytest.approx(20.03003)
    statuses = {
        status: registry.get_sample_value("stockcast_requests_total", {**labels, "status": status})
        for status in ("200", "503", "500")
    }
    assert statuses == {"200": 2, "503": 1, "500": None}


def test_cache_reads_are_exported_as_hits_and_misses(series: Series) -> None:
    metrics, registry = series
    assert metrics.requests.cache_hit_rate("quotes") is None
    for hit in (True, False, True, True):
        metrics.requests.count_cache_read("quotes", hit=hit)
        metrics.write()
    labels = {"cache": "quotes", "result": "hit"}
    assert registry.get_sample_value("stockcast_cache_reads_total", labels) == 3
    assert metrics.requests.cache_hit_rate("quotes") == 0.75
