"""The published snapshot: new data, missing data, and data that does not fit the model."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from support.serving.homes import sample_snapshot
from support.serving.service_setup import ServiceSetup

from serving.http.problems import Problem
from serving.routes.operation.health import read_health


def test_without_a_snapshot_the_problem_names_the_command(service: ServiceSetup) -> None:
    service.set_champion(service.register(1))
    service.refresh()
    with pytest.raises(Problem, match=r"none is published.*stockcast run") as caught:
        service.live.require()
    assert (caught.value.status, caught.value.kind) == (503, "no-snapshot")
    service.publish()
    service.refresh()
    assert service.live.version == 1
    assert service.registry.downloads == 1


def test_health_names_tickers_without_a_forecast(service: ServiceSetup) -> None:
    """Regression: a ticker that was left out because of its bars was in no health response."""
    reason = "it moved on 2022-09-14 like a split of 4:1"
    service.go_live()
    service.publish(replace(sample_snapshot(), skipped={"SPL4": reason}))
    service.refresh()

    health = read_health(service.state)

    assert (health["status"], health["tickers_without_forecast"]) == ("healthy", 1)
    assert health["without_forecast"] == {"SPL4": reason}


def test_nothing_is_computed_without_a_change(service: ServiceSetup) -> None:
    service.go_live()
    forecasts = service.live.forecasts
    for _ in range(3):
        service.refresh()
    assert service.live.forecasts is forecasts


def test_a_new_snapshot_goes_live_even_while_the_registry_is_down(service: ServiceSetup) -> None:
    service.go_live()
    service.registry.down = "connection refused"
    service.publish(replace(sample_snapshot(), close=(500.0, 801.0, 202.0, 28.0)))
    service.refresh()
    assert service.live.require().table.forecast("AAPL", 1).current_price == 500.0
    assert service.metrics.events == ["champion_swapped 1 0", "snapshot_swapped 1 0"]


def test_a_snapshot_of_other_features_is_not_used(service: ServiceSetup) -> None:
    service.go_live()
    service.register(2)
    snapshot = sample_snapshot()
    names = (*snapshot.feature_names[1:], snapshot.feature_names[0])
    service.publish(replace(snapshot, feature_names=names))
    service.refresh()
    assert service.live.version == 1
    assert service.live.require().table.snapshot.feature_names == snapshot.feature_names
    detail = read_health(service.state)["issues"][0]["detail"]
    assert "`features`" in detail
    assert "feature_snapshot" in detail


def test_a_snapshot_without_any_forecast_does_not_replace_the_live_one(
    service: ServiceSetup,
) -> None:
    service.go_live()
    snapshot = sample_snapshot()
    service.publish(replace(snapshot, windows=np.zeros_like(snapshot.windows)))
    for _ in range(3):
        service.refresh()
    assert service.live.require().table.snapshot.fingerprint == snapshot.fingerprint
    assert read_health(service.state)["status"] == "degraded"


def test_a_version_without_any_forecast_is_tried_again_with_the_next_snapshot(
    service: ServiceSetup,
) -> None:
    """Regression: it stayed refused until the service was restarted."""
    service.go_live()
    usable = sample_snapshot()
    empty = replace(usable, windows=np.zeros_like(usable.windows))
    service.publish(empty)
    service.refresh()
    service.set_champion(service.register(2))
    service.refresh()
    downloads = service.registry.downloads
    for _ in range(2):
        service.refresh()
        assert (service.live.version, list(service.live.refused)) == (1, [2])

    service.publish(replace(empty, close=(500.0, 801.0, 202.0, 28.0)))
    service.refresh()
    assert (service.live.version, list(service.live.refused)) == (1, [2])

    service.publish(usable)
    service.refresh()
    assert (service.live.version, service.live.refused) == (2, {})
    assert read_health(service.state)["status"] == "healthy"
    assert service.registry.downloads == downloads


def test_a_record_that_cannot_be_written_is_logged_once_and_written_later(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    record = service.models_folder / "last-live.json"
    record.mkdir(parents=True)
    with caplog.at_level(logging.WARNING, "stockcast.serving"):
        service.go_live()
        service.refresh()
    assert service.live.version == 1
    assert caplog.text.count("event=last_live_not_saved version=1") == 1
    record.rmdir()
    service.refresh()
    assert json.loads(record.read_text())["version"] == 1
