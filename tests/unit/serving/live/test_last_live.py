"""A restart serves the last live version whenever the alias gives nothing usable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from support.forecasting.bundles import tiny_bundle
from support.registry.in_memory import FakeRegistry
from support.serving.service_setup import ServiceSetup, accept

from core.errors import RegistryError
from registry.names import FINGERPRINT_TAG
from serving.models.model_cache import ModelCache
from serving.routes.operation.health import read_health


def delete_version(service: ServiceSetup) -> None:
    service.registry.aliases.clear()  # MLflow has no alias of a deleted version


def name_a_missing_version(service: ServiceSetup) -> None:
    service.set_champion(99)


def damage_the_new_version(service: ServiceSetup) -> None:
    version = service.register(2)
    (service.registry.folders[version] / "golden.npz").unlink()
    service.set_champion(version)


def name_a_foreign_version(service: ServiceSetup) -> None:
    class WithoutBundle(FakeRegistry):
        def download(self, version: int, dest: Path) -> Path:
            del dest
            msg = f"Version {version} contains no Stockcast bundle."
            raise RegistryError(msg)

    version = service.register(2)
    service.registry.tags[version] = {}
    service.set_champion(version)
    service.registry = WithoutBundle(**vars(service.registry))


def stop_the_registry(service: ServiceSetup) -> None:
    service.registry.down = "connection refused"


@pytest.mark.parametrize(
    ("accident", "topic", "detail"),
    [
        (delete_version, "champion", "names a deleted version"),
        (name_a_missing_version, "champion", "no version 99"),
        (damage_the_new_version, "champion", "golden.npz"),
        (name_a_foreign_version, "champion", "no Stockcast bundle"),
        (stop_the_registry, "registry", "connection refused"),
    ],
)
def test_a_restart_without_a_usable_champion_serves_the_last_live_version(
    service: ServiceSetup, accident: Callable[[ServiceSetup], None], topic: str, detail: str
) -> None:
    """Regression: only a registry that was down led to the last live version."""
    service.go_live()
    expected = service.live.require().response("AAPL", 5).content
    accident(service)
    restarted = ServiceSetup(service.folder, registry=service.registry)
    restarted.refresh()
    assert restarted.live.version == 1
    assert restarted.live.require().response("AAPL", 5).content == expected
    health = read_health(restarted.state)
    assert health["status"] == "degraded"
    (issue,) = health["issues"]
    assert issue["topic"] == topic
    assert detail in issue["detail"]
    assert issue["detail"].endswith("Version 1 stays live.")

    restarted.registry.down = None
    restarted.set_champion(1)
    restarted.refresh()
    assert read_health(restarted.state)["status"] == "healthy"


@pytest.mark.parametrize("restart", [False, True])
def test_a_champion_without_a_fitting_snapshot_leaves_the_last_version_live(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture, *, restart: bool
) -> None:
    """Regression: health was ok between two log lines a second, and a restart led to a 503."""
    service.go_live()
    folder = service.folder / "other-lookback"
    service.set_champion(service.registry.add(folder, tiny_bundle(folder, seed=2, lookback=10)))
    if restart:
        service = ServiceSetup(service.folder, registry=service.registry)
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(3):
            service.refresh()
    assert service.live.version == 1
    health = read_health(service.state)
    assert health["status"] == "degraded"
    assert [issue["topic"] for issue in health["issues"]] == ["snapshot"]
    assert "Version 2: The model has `lookback` 10" in health["issues"][0]["detail"]
    assert caplog.text.count("event=health_issue ") == 1
    assert "event=health_issue_resolved" not in caplog.text


def test_another_bundle_with_the_number_of_the_live_version_replaces_it(
    service: ServiceSetup,
) -> None:
    service.go_live(seed=1)
    new_registry = FakeRegistry()
    restarted = ServiceSetup(service.folder, registry=new_registry)
    restarted.refresh()
    assert restarted.live.version == 1
    before = restarted.live.require().response("AAPL", 5).content
    restarted.set_champion(restarted.register(2))
    assert new_registry.tags[1][FINGERPRINT_TAG] != service.registry.tags[1][FINGERPRINT_TAG]
    restarted.refresh()
    assert restarted.live.version == 1
    assert restarted.live.require().response("AAPL", 5).content != before
    assert read_health(restarted.state)["status"] == "healthy"


def test_the_last_live_version_of_another_model_is_not_served(service: ServiceSetup) -> None:
    service.go_live()
    restarted = ServiceSetup(service.folder, registry=FakeRegistry(name="other"))
    restarted.refresh()
    assert restarted.live.version is None
    assert "stockcast run" in read_health(restarted.state)["issues"][0]["detail"]


def test_the_last_live_version_stays_in_the_cache(service: ServiceSetup) -> None:
    """Regression: four newer downloads, such as challengers, removed it."""
    service.go_live()
    cache = ModelCache(service.registry, service.models_folder, accept)  # type: ignore[arg-type]
    for seed in range(2, 8):
        cache.load(service.register(seed))
    last_live = cache.load_last_live()
    assert last_live is not None
    assert last_live.version == 1
    folders = [path for path in service.models_folder.iterdir() if path.is_dir()]
    assert len(folders) == 4
