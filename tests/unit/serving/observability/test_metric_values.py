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
    for kind in ("Counter", "Gauge"):
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
