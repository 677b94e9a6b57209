"""The champion alias: swaps, refusals, retries, and a registry that is down."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.serving.service_setup import ServiceSetup

from core.errors import BundleError, RegistryDownError, StockcastError, TransientError
from serving.http.problems import Problem
from serving.routes.models.status import read_status
from serving.routes.operation.health import read_health


def fail_downloads(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> list[int]:
    """Let every download raise `error`; return the list of requested versions."""
    versions: list[int] = []

    def download(version: int, _: Path) -> Path:
        versions.append(version)
        raise error

    monkeypatch.setattr(service.registry, "download", download)
    return versions


def test_without_a_champion_the_problem_names_the_command(service: ServiceSetup) -> None:
    service.refresh()
    with pytest.raises(Problem, match="stockcast run") as caught:
        service.live.require()
    assert (caught.value.status, caught.value.kind) == (503, "no-champion")
    assert read_health(service.state)["status"] == "unhealthy"


def test_a_moved_alias_is_swapped_in_at_the_next_refresh(service: ServiceSetup) -> None:
    service.go_live()
    before = service.live.forecasts
    service.set_champion(service.register(2))
    service.refresh()
    assert service.live.version == 2
    assert before is not None
    assert before.table.model.version == 1  # a request in progress keeps its table
    key = ("/predict/AAPL", b"")
    assert service.live.responses[key] is not before.responses[key]
    assert read_health(service.state)["status"] == "healthy"


def test_a_removed_alias_leaves_the_champion_live(service: ServiceSetup) -> None:
    service.go_live()
    service.registry.aliases.clear()
    service.refresh()
    assert service.live.version == 1
    assert read_health(service.state)["status"] == "degraded"


@pytest.mark.parametrize(
    ("error", "final"), [(BundleError("for ever"), True), (TransientError("overloaded"), False)]
)
def test_a_candidate_that_fails_its_verification_is_an_issue_and_the_old_version_stays_live(
    tmp_path: Path, error: StockcastError, *, final: bool
) -> None:
    errors: list[StockcastError] = []

    def verify(_: Mapping[str, bytes]) -> None:
        if errors:
            raise errors[0]

    service = ServiceSetup(tmp_path, verify=verify)
    service.go_live()
    errors.append(error)
    service.set_champion(service.register(2))
    service.refresh()
    assert service.live.version == 1
    (issue,) = read_health(service.state)["issues"]
    assert issue["detail"] == f"Version 2 is refused: {error}. Version 1 stays live."
    errors.clear()
    service.clock.advance(seconds=60)
    service.refresh()
    assert service.live.version == (1 if final else 2)
    service.set_champion(service.register(3))
    service.refresh()
    assert service.live.version == 3
    assert read_health(service.state)["issues"] == []


def test_a_damaged_bundle_is_refused_once_and_the_old_version_stays_live(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    version = service.register(2)
    graph = service.registry.folders[version] / "ensemble.onnx"
    graph.write_bytes(graph.read_bytes()[:-64])
    service.set_champion(version)
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(5):
            service.refresh()
    assert service.live.version == 1
    refusals = [r.message for r in caplog.records if "event=champion_refused" in r.message]
    assert len(refusals) == 1
    assert "checksum" in refusals[0]
    assert service.metrics.events.count("refused") == 1
    assert service.registry.downloads == 2  # version 1, and the damaged version once
    health = read_health(service.state)
    assert health["status"] == "degraded"
    assert "Version 1 stays live" in health["issues"][0]["detail"]
    assert read_status(service.state)["refused"][0]["version"] == version


def test_a_refusal_ends_when_the_alias_moves_to_a_good_version(service: ServiceSetup) -> None:
    service.go_live()
    bad = service.register(2)
    (service.registry.folders[bad] / "golden.npz").unlink()
    service.set_champion(bad)
    service.refresh()
    service.set_champion(service.register(3))
    service.refresh()
    assert service.live.version == 3
    assert read_health(service.state)["status"] == "healthy"


def test_a_repairable_error_is_retried_after_30_seconds(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go_live()
    service.set_champion(service.register(2))
    with monkeypatch.context() as patched:
        versions = fail_downloads(service, patched, OSError("No space left on device"))
        service.refresh()
        service.refresh()
    assert versions == [2]
    assert service.live.version == 1
    service.clock.advance(seconds=31)
    service.refresh()
    assert service.live.version == 2
    assert not service.live.refused


def test_while_the_registry_is_down_the_champion_stays_live_and_the_issue_has_a_duration(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    service.registry.down = "connection refused"
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(4):
            service.refresh()
            service.clock.advance(seconds=60)
        health = read_health(service.state)
        service.registry.down = None
        service.refresh()
    assert health["status"] == "degraded"
    assert health["registry"] == "down"
    issue = health["issues"][0]
    assert issue["detail"] == "connection refused. Version 1 stays live."
    assert issue["duration_seconds"] == 240
    assert service.live.version == 1
    lines = [record.message for record in caplog.records]
    assert sum("event=health_issue " in line for line in lines) == 1
    resolved = "event=health_issue_resolved topic=registry seconds=240.000"
    assert any(resolved in line for line in lines)
    assert read_health(service.state)["status"] == "healthy"


def test_a_start_while_the_registry_is_down_serves_the_last_live_version(
    service: ServiceSetup,
) -> None:
    service.go_live(seed=1)
    service.set_champion(service.register(2))
    service.refresh()
    expected = service.live.require().response("AAPL", 5).content

    restarted = ServiceSetup(service.folder, registry=service.registry)
    restarted.registry.down = "connection refused"
    restarted.refresh()
    assert restarted.live.version == 2
    assert restarted.live.require().response("AAPL", 5).content == expected
    assert read_health(restarted.state)["status"] == "degraded"

    restarted.registry.down = None
    restarted.set_champion(1)
    restarted.refresh()
    assert restarted.live.version == 1
    assert read_health(restarted.state)["status"] == "healthy"


def test_a_start_while_only_downloads_fail_serves_the_last_live_version(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the last live version was dropped when the alias could still be read."""
    service.go_live()
    restarted = ServiceSetup(service.folder, registry=service.registry)
    with monkeypatch.context() as patched:
        fail_downloads(restarted, patched, RegistryDownError("artefact store is down"))
        restarted.refresh()
    assert restarted.live.version == 1
    restarted.refresh()
    assert read_health(restarted.state)["status"] == "healthy"


def test_a_damaged_cache_serves_nothing_while_the_registry_is_down(service: ServiceSetup) -> None:
    service.go_live()
    for graph in service.models_folder.glob("*/ensemble.onnx"):
        graph.write_bytes(b"no graph")
    restarted = ServiceSetup(service.folder, registry=service.registry)
    restarted.registry.down = "connection refused"
    restarted.refresh()
    assert restarted.live.version is None
    with pytest.raises(Problem, match="connection refused"):
        restarted.live.require()
