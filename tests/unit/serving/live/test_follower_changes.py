"""Followers after a change: refusals, recovery, the registry gauge, and the challenger's note."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from support.forecasting.bundles import tiny_bundle
from support.serving.homes import sample_snapshot
from support.serving.service_setup import NOW, ServiceSetup

from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot
from serving.routes.models.status import read_status
from serving.routes.operation.health import read_health


def without_forecasts() -> Snapshot:
    """Return a snapshot that gives no ticker a forecast."""
    snapshot = sample_snapshot()
    return replace(snapshot, windows=np.zeros_like(snapshot.windows))


def newer_snapshot() -> Snapshot:
    return replace(sample_snapshot(), close=(500.0, 801.0, 202.0, 28.0))


def fail_downloads(service: ServiceSetup, monkeypatch: pytest.MonkeyPatch, *messages: str) -> None:
    """Let each download fail with the next message."""
    errors = iter(messages)

    def download(*_: object) -> Path:
        raise OSError(next(errors))

    monkeypatch.setattr(service.registry, "download", download)


def messages_of(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [r.message for r in caplog.records if f"event={event} " in r.message]


def test_a_snapshot_without_forecasts_does_not_refuse_the_live_version(
    service: ServiceSetup,
) -> None:
    """Regression: the live version was put among the refused."""
    version = service.go_live()
    service.publish(without_forecasts())
    service.refresh()
    assert service.live.refused == {}
    assert read_status(service.state)["refused"] == []
    assert "refused" not in service.metrics.events
    assert list(service.live.issues) == ["snapshot"]
    service.refresh()
    assert (service.live.version, service.live.refused) == (version, {})


def test_a_good_snapshot_ends_a_snapshot_problem(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    service.publish(without_forecasts())
    service.refresh()
    assert read_health(service.state)["status"] == "degraded"
    service.clock.advance(seconds=60)
    service.publish(newer_snapshot())
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        service.refresh()
    assert service.live.require().table.forecast("AAPL", 1).current_price == 500.0
    assert service.live.issues == {}
    assert read_health(service.state)["status"] == "healthy"
    [resolved] = messages_of(caplog, "health_issue_resolved")
    assert "topic=snapshot seconds=60.000" in resolved


def test_a_candidate_without_forecasts_is_refused_until_the_snapshot_is_replaced(
    service: ServiceSetup,
) -> None:
    service.go_live()
    lookback = sample_snapshot().windows.shape[1]
    bad = service.register(2)
    service.set_champion(bad)
    service.publish(without_forecasts())
    service.refresh()
    assert set(service.live.refused) == {bad}
    assert (service.live.version, service.live.candidate) == (1, None)
    service.publish(newer_snapshot())
    service.refresh()
    table = service.live.require().table
    assert table.model.version == bad
    assert table.snapshot.windows.shape[1] == lookback
    assert service.live.refused == {}
    assert table.forecast("AAPL", 1).current_price == 500.0


def test_the_live_version_takes_a_new_snapshot_that_does_not_fit_the_candidate(
    service: ServiceSetup,
) -> None:
    service.go_live()
    folder = service.folder / "short"
    version = service.registry.add(folder, tiny_bundle(folder, seed=2, lookback=10))
    service.set_champion(version)
    service.publish(newer_snapshot())
    service.refresh()
    table = service.live.require().table
    assert (table.model.version, table.forecast("AAPL", 1).current_price) == (1, 500.0)
    assert service.live.refused == {}
    assert service.live.issues["snapshot"].detail.startswith("Version 2: The model has `lookback`")


def test_the_champion_after_a_removed_candidate_is_not_replaced(service: ServiceSetup) -> None:
    """The alias returns to the live version before the candidate has a snapshot."""
    service.go_live()
    service.set_champion(service.register(2))
    shutil.rmtree(service.folder / SNAPSHOT_FOLDER)
    service.refresh()
    assert service.live.candidate is not None
    assert list(service.live.issues) == ["snapshot"]
    service.set_champion(1)
    service.refresh()
    assert service.live.candidate is None
    service.publish(newer_snapshot())
    service.refresh()
    assert service.live.version == 1
    assert service.live.issues == {}
    assert read_status(service.state)["champion_alias"] == 1


def test_a_refusal_whose_reason_changes_is_counted_and_logged_again(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    version = service.register(2)
    service.set_champion(version)
    fail_downloads(service, monkeypatch, "disk full", "disk full", "read-only", "read-only")
    details = []
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(4):
            service.refresh()
            details.append(service.live.refused[version].detail)
            service.clock.advance(seconds=31)
    assert details == [
        f"Version 2 is refused: {reason}"
        for reason in ("disk full", "disk full", "read-only", "read-only")
    ]
    assert [m.split("reason=")[1] for m in messages_of(caplog, "champion_refused")] == [
        '"disk full"',
        "read-only",
    ]
    assert service.metrics.events.count("refused") == 2
    refused = service.live.refused[version]
    assert refused.since == NOW
    assert refused.retry_at == NOW + timedelta(seconds=3 * 31 + 30)
    detail = service.live.issues["champion"].detail
    assert detail == "Version 2 is refused: read-only. Version 1 stays live."


def test_the_registry_gauge_follows_the_registry(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the fake metrics dropped the argument, so a wrong gauge passed."""
    values: list[bool] = []
    monkeypatch.setattr(
        service.metrics, "set_registry_up", lambda *, up: values.append(up), raising=True
    )
    service.go_live()
    service.registry.down = "connection refused"
    service.refresh()
    service.registry.down = None
    service.refresh()
    assert values == [True, False, True]


def test_the_gauge_is_down_while_only_downloads_are_down(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go_live()
    service.set_champion(service.register(2))
    values: list[bool] = []
    monkeypatch.setattr(service.metrics, "set_registry_up", lambda *, up: values.append(up))
    cached, download = service.registry.down, service.registry.download

    def download_while_down(version: int, dest: Path) -> Path:
        service.registry.down = "artefact store is down"
        try:
            return download(version, dest)
        finally:
            service.registry.down = cached

    monkeypatch.setattr(service.registry, "download", download_while_down)
    service.refresh()
    assert values == [True, False]
    assert service.live.refused == {}


def test_without_a_snapshot_the_challenger_has_a_note_until_one_is_published(
    service: ServiceSetup,
) -> None:
    service.go_live()
    service.registry.aliases["challenger"] = service.register(2)
    shutil.rmtree(service.folder / SNAPSHOT_FOLDER)
    challenger = service.state.challenger.get()
    assert challenger.table is None
    assert challenger.note == "No snapshot fits the features of version 2."

    service.publish(newer_snapshot())
    service.clock.advance(seconds=service.state.poll_seconds)
    table = service.state.challenger.get().table
    assert table is not None
    assert table.model.version == 2
    assert table.forecast("AAPL", 1).current_price == 500.0
