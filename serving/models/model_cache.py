"""A registered version made ready to answer: fetched, verified and kept in a local cache.

Which version should be live is decided by the registry's alias and followed by `serving.live.refresher`.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.errors import BundleError, StockcastError
from core.files import write_atomically
from forecasting.bundle.bundle import Bundle
from forecasting.features.feature_set import FeatureSet, feature_set
from registry.versions import ModelRegistry
from serving.http.schemas import ModelInfo

# Enough for the live version, the one before it and a challenger.
_KEPT_VERSIONS = 4
_LONGEST_DOWNLOAD = 3600.0
_LAST_LIVE = "last-live.json"


@dataclass(frozen=True)
class LiveModel:
    """A verified bundle with the name and version it was registered as."""

    name: str
    version: int
    bundle: Bundle

    @cached_property
    def info(self) -> ModelInfo:
        """How answers name this model."""
        cutoff = self.bundle.manifest.cutoff
        return ModelInfo(name=self.name, version=self.version, trained_through=cutoff)

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
                f"Model version {self.version} was trained on features"
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
        dest = self._folder / _folder_name(version, info.fingerprint or "unknown")
        bundle = Bundle.load(self._registry.download(version, dest))
        dest.touch()
        self._prune()
        return LiveModel(info.name, version, bundle)

    def save_last_live(self, model: LiveModel) -> None:
        """Note which version is live, for a start while the registry is down."""
        note = {
            "name": model.name,
            "version": model.version,
            "fingerprint": model.bundle.fingerprint,
        }
        write_atomically(self._folder / _LAST_LIVE, json.dumps(note).encode())

    def load_last_live(self) -> LiveModel | None:
        """Return the version that was live last, or None when the cache does not have it whole."""
        try:
            note = json.loads((self._folder / _LAST_LIVE).read_bytes())
            folder = self._folder / _folder_name(note["version"], note["fingerprint"])
            bundle = Bundle.load(folder)
        except (OSError, ValueError, LookupError, TypeError, StockcastError):
            return None
        if bundle.fingerprint != note["fingerprint"]:
            return None
        return LiveModel(str(note["name"]), int(note["version"]), bundle)

    def _prune(self) -> None:
        """Remove versions not used lately, and what killed processes left of a download."""
        folders = (path for path in self._folder.iterdir() if path.is_dir())
        by_age = sorted(folders, key=_used_at, reverse=True)
        kept = [path for path in by_age if path.name[0].isdigit()]
        abandoned = time.time() - _LONGEST_DOWNLOAD
        leftovers = [p for p in by_age if p not in kept and _used_at(p) < abandoned]
        for path in kept[_KEPT_VERSIONS:] + leftovers:
            shutil.rmtree(path, ignore_errors=True)


def _folder_name(version: int, fingerprint: str) -> str:
    return f"{version}-{fingerprint[:16]}"


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another worker's download was just finished or given up
        return time.time()
