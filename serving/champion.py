"""A registered version made ready to answer: fetched, verified and kept in a local cache.

Which version should be live is decided by the registry's alias and followed by `serving.watch`.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from forecasting.bundle import Bundle
from forecasting.features import FeatureSet, feature_set
from market.errors import BundleError
from registry.versions import ModelRegistry, VersionInfo
from serving.schemas import ModelInfo

# Enough for the live version, the one before it and a challenger.
_KEPT_VERSIONS = 4
_LONGEST_DOWNLOAD = 3600.0


@dataclass(frozen=True)
class LiveModel:
    """A verified bundle with the version it was registered as."""

    version: VersionInfo
    bundle: Bundle

    @cached_property
    def info(self) -> ModelInfo:
        """How answers name this model."""
        manifest = self.bundle.manifest
        return ModelInfo(
            name=self.version.name,
            version=self.version.version,
            trained_through=manifest.cutoff,
        )

    @cached_property
    def features(self) -> FeatureSet:
        """The features of this model's windows, as this process would compute them.

        Raises
        ------
        BundleError
            When this code computes them in another way than the code that trained the model.
        """
        manifest = self.bundle.manifest
        features = feature_set(manifest.extra_indicators)
        if features.hash != manifest.feature_hash:
            msg = (
                f"Model version {self.version.version} was trained on features"
                f" {manifest.feature_hash[:12]}, this server computes {features.hash[:12]};"
                " serve with the code that trained it, or train again with this one."
            )
            raise BundleError(msg)
        return features


class ModelCache:
    """Versions fetched from the registry once, and kept under ``<version>-<fingerprint>``."""

    def __init__(self, registry: ModelRegistry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder

    def load(self, version: int) -> LiveModel:
        """Return a version, verified by fingerprint and by its golden vectors.

        Raises
        ------
        BundleError
            When it is damaged, or not what was registered.
        RegistryError
            When the registry has no such version, or the version has no bundle.
        RegistryDownError
            When the registry does not answer.
        """
        info = self._registry.get(version)
        dest = self._folder / f"{version}-{(info.fingerprint or 'unknown')[:16]}"
        bundle = Bundle.load(self._registry.download(version, dest))
        dest.touch()
        self._prune()
        return LiveModel(info, bundle)

    def _prune(self) -> None:
        """Remove versions not used lately, and what killed processes left of a download."""
        by_age = sorted(self._folder.iterdir(), key=_used_at, reverse=True)
        kept = [path for path in by_age if path.name[0].isdigit()]
        abandoned = time.time() - _LONGEST_DOWNLOAD
        leftovers = [p for p in by_age if p not in kept and _used_at(p) < abandoned]
        for path in kept[_KEPT_VERSIONS:] + leftovers:
            shutil.rmtree(path, ignore_errors=True)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another worker's download was just finished or given up
        return time.time()
