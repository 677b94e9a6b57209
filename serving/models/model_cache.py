"""Local cache of registered model versions: download, verify and keep them.

`serving.live.alias_follower` selects the version to serve.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from core.errors import BundleError, SettingsError, StockcastError, TransientError
from core.files import write_atomically
from forecasting.bundle.bundle import Bundle
from forecasting.bundle.files import fingerprint, read_files
from forecasting.bundle.graph import BundleOutput, Floats
from forecasting.bundle.manifest import Manifest, bundle_error
from forecasting.features.feature_set import FeatureSet, feature_set
from market.calendars.sessions import Sessions
from registry.versions import ModelRegistry
from serving.http.schemas.forecast import ModelInfo
from serving.observability.tracing import span

# The live version, its predecessor, the challenger and one spare.
_MAX_VERSIONS = 4
_MAX_DOWNLOAD_SECONDS = 3600.0
_LAST_LIVE = "last-live.json"

Verify = Callable[[Mapping[str, bytes]], None]


@dataclass(frozen=True)
class LiveModel:
    """Verified bundle with the name and version of its registration."""

    name: str
    version: int
    bundle: Bundle

    @cached_property
    def info(self) -> ModelInfo:
        """Identification of this model in responses."""
        cutoff = self.bundle.manifest.cutoff
        return ModelInfo(name=self.name, version=self.version, trained_through=cutoff)

    def run(self, windows: Floats) -> BundleOutput:
        """Forecast each window, see `EnsembleGraph.run`."""
        with span("inference", windows=len(windows), version=self.version):
            return self.bundle.run(windows)

    @cached_property
    def features(self) -> FeatureSet:
        """Feature set of this model, as this process computes it.

        Raises
        ------
        BundleError
            If the code of this process computes other features than the training code did.
        """
        manifest = self.bundle.manifest
        features = feature_set(manifest.extra_indicators)
        if features.hash != manifest.feature_hash:
            msg = (
                f"Model version {self.version} was trained on features"
                f" {manifest.feature_hash[:12]}, this server computes {features.hash[:12]};"
                " serve with the code that trained the model, or train a new version."
            )
            raise BundleError(msg)
        return features


class ModelCache:
    """Versions downloaded from the registry, one folder ``<version>-<fingerprint>`` each.

    Parameters
    ----------
    verify
        Raises an error for the files of a bundle that must not be opened in this process.
    """

    def __init__(self, registry: ModelRegistry, folder: Path, verify: Verify) -> None:
        self._registry = registry
        self._folder = folder
        self._verify = verify
        # A rollback needs no second verification of the same bytes.
        self._verified: set[str] = set()

    def load(self, version: int) -> LiveModel:
        """Return a version after its verification.

        Raises
        ------
        BundleError
            If the bundle is damaged, exceeds a limit or differs from the registered one.
        TransientError
            If it cannot be verified at present.
        RegistryError
            If the registry has no such version, or the version has no bundle.
        RegistryDownError
            If the registry does not respond.
        """
        info = self._registry.get(version)
        dest = self._folder / _folder_name(version, info.fingerprint or "unknown")
        files = read_files(self._registry.download(version, dest))
        if (verified := fingerprint(files)) not in self._verified:
            self._verify(files)
            self._verified.add(verified)
        bundle = Bundle.from_files(files)
        if bundle.fingerprint != info.fingerprint:
            msg = f"The bundle of version {version} has changed since it was downloaded; try again."
            raise TransientError(msg)
        _check_exchange(bundle.manifest)
        with suppress(OSError):  # a home that is full or read-only still has the bundle
            dest.touch()
            self._prune()
        return LiveModel(info.name, version, bundle)

    def save_last_live(self, model: LiveModel) -> None:
        """Record the live version for the next start."""
        record = _LastLive(model.name, model.version, model.bundle.fingerprint)
        if record != self._last_live():
            write_atomically(self._folder / _LAST_LIVE, json.dumps(asdict(record)).encode())

    def load_last_live(self) -> LiveModel | None:
        """Return the last live version of this model, or None without an intact copy of it.

        It was verified before it was live, so an equal fingerprint is enough.
        """
        record = self._last_live()
        if record is None or record.name != self._registry.name:
            return None
        try:
            files = read_files(self._folder / record.folder)
            if fingerprint(files) != record.fingerprint:
                return None
            self._verified.add(record.fingerprint)
            return LiveModel(record.name, record.version, Bundle.from_files(files))
        except (OSError, StockcastError):
            return None

    def _last_live(self) -> _LastLive | None:
        try:
            record = json.loads((self._folder / _LAST_LIVE).read_bytes())
            return _LastLive(
                str(record["name"]), int(record["version"]), str(record["fingerprint"])
            )
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _prune(self) -> None:
        """Remove the least recently used versions, and downloads that a killed process left."""
        last_live = self._last_live()
        kept = last_live.folder if last_live else None
        folders = (path for path in self._folder.iterdir() if path.is_dir() and path.name != kept)
        newest_first = sorted(folders, key=_used_at, reverse=True)
        versions = [path for path in newest_first if path.name[0].isdigit()]
        # The file system sets modification times, so the limit uses the machine's time as well.
        limit = time.time() - _MAX_DOWNLOAD_SECONDS  # noqa: TID251
        leftovers = [p for p in newest_first if p not in versions and _used_at(p) < limit]
        excess = versions[_MAX_VERSIONS - (kept is not None) :]
        for path in excess + leftovers:
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _LastLive:
    """Record of the last live version."""

    name: str
    version: int
    fingerprint: str

    @property
    def folder(self) -> str:
        return _folder_name(self.version, self.fingerprint)


def _check_exchange(manifest: Manifest) -> None:
    try:
        Sessions(manifest.exchange)
    except SettingsError as error:
        raise bundle_error(check="the manifest's fields", problem=str(error)) from None


def _folder_name(version: int, fingerprint: str) -> str:
    return f"{version}-{fingerprint[:16]}"


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another worker has just renamed or removed its download
        return time.time()  # noqa: TID251
