"""The local copies of registered versions."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from support.forecasting.bundles import forge
from support.serving.service_setup import ServiceSetup, accept

from core.errors import BundleError, TransientError
from forecasting.bundle.bundle import Bundle
from forecasting.bundle.manifest import GOLDEN_FILE
from serving.models.model_cache import ModelCache


def test_a_version_is_downloaded_once_and_old_versions_are_removed(service: ServiceSetup) -> None:
    cache = ModelCache(service.registry, service.models_folder, accept)  # type: ignore[arg-type]
    versions = [service.register(seed) for seed in range(1, 7)]
    loaded = [cache.load(version).version for version in versions]
    assert loaded == versions
    cache.load(versions[-1])
    assert service.registry.downloads == 6
    kept = sorted(path.name.partition("-")[0] for path in service.models_folder.iterdir())
    assert kept == ["3", "4", "5", "6"]


def test_a_fifo_in_a_bundle_is_refused_without_waiting(service: ServiceSetup) -> None:
    cache = ModelCache(service.registry, service.models_folder, accept)  # type: ignore[arg-type]
    version = service.register(1)
    cache.load(version)
    (folder,) = service.models_folder.iterdir()
    (folder / GOLDEN_FILE).unlink()
    os.mkfifo(folder / GOLDEN_FILE)
    with pytest.raises(BundleError, match="must be a regular file"):
        cache.load(version)


def test_a_version_is_verified_once_and_the_last_live_one_not_again(service: ServiceSetup) -> None:
    verified: list[Mapping[str, bytes]] = []

    def load_each_twice() -> None:
        cache = ModelCache(service.registry, service.models_folder, verified.append)  # type: ignore[arg-type]
        last_live = cache.load_last_live()
        for version in (*versions, *versions):
            cache.save_last_live(cache.load(version))
        assert (last_live is None) == (len(verified) == 2)

    versions = [service.register(seed) for seed in (1, 2)]
    load_each_twice()
    assert len(verified) == 2
    load_each_twice()  # after a restart, with version 2 as the last live one
    assert len(verified) == 3


def test_a_bundle_that_changes_after_its_download_is_not_opened(service: ServiceSetup) -> None:
    cache = ModelCache(service.registry, service.models_folder, accept)  # type: ignore[arg-type]
    version = service.register(1)
    cache.load(version)
    (folder,) = service.models_folder.iterdir()
    forge(folder, manifest={"code_version": "another"})
    with pytest.raises(TransientError, match="has changed since it was downloaded"):
        cache.load(version)


def test_an_exchange_without_a_calendar_is_refused(service: ServiceSetup) -> None:
    cache = ModelCache(service.registry, service.models_folder, accept)  # type: ignore[arg-type]
    folder = service.registry.folders[service.register(1)]
    forge(folder, manifest={"exchange": "XXXX"})
    version = service.registry.add(folder, Bundle.load(folder))
    with pytest.raises(BundleError, match="`exchange` must be a MIC code with a known calendar"):
        cache.load(version)
