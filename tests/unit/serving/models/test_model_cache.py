"""The local copies of registered versions."""

from __future__ import annotations

from support.serving.service_setup import ServiceSetup

from serving.models.model_cache import ModelCache


def test_a_version_is_downloaded_once_and_old_versions_are_removed(service: ServiceSetup) -> None:
    cache = ModelCache(service.registry, service.models_folder)  # type: ignore[arg-type]
    versions = [service.register(seed) for seed in range(1, 7)]
    loaded = [cache.load(version).version for version in versions]
    assert loaded == versions
    cache.load(versions[-1])
    assert service.registry.downloads == 6
    kept = sorted(path.name.partition("-")[0] for path in service.models_folder.iterdir())
    assert kept == ["3", "4", "5", "6"]
