"""Versions of one registered model: listing, reading, and downloading their bundles.

Serving imports this module, so it must run with `mlflow-skinny`. Candidates are logged by
`registry.publishing.candidates`, and aliases are moved by `registry.promotion.aliases`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import Clock, SystemClock
from core.errors import BundleError, RegistryError
from registry.addresses import SERVERS, redacted, scheme_of, sqlite_file, with_driver
from registry.artefacts import bundle_fingerprint, fetch_folder, replace_folder
from registry.client import error_code, make_client, translate_errors
from registry.names import BUNDLE_PATH, CUTOFF_TAG, EVIDENCE_PATH, FINGERPRINT_TAG, WITHDRAWN_TAG
from registry.relocation import ARTIFACTS, relocate_artifacts
from registry.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


NOT_FOUND_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})
RUN_HINT = "`stockcast run` trains and registers one."


@dataclass(frozen=True)
class VersionInfo:
    """One version of the registered model.

    `cutoff` is the last session that training has seen; it and `fingerprint` are None for a version
    that Stockcast did not log. `withdrawal_reason` is the reason of a rollback from it, if any.
    """

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: datetime
    source: str
    description: str

    @property
    def cutoff(self) -> date | None:
        """The last session used in training."""
        text = self.tags.get(CUTOFF_TAG)
        return date.fromisoformat(text) if text else None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the version's bundle."""
        return self.tags.get(FINGERPRINT_TAG)

    @property
    def withdrawal_reason(self) -> str | None:
        """The reason of a rollback from this version; None without one, or after a promotion."""
        return self.tags.get(WITHDRAWN_TAG)


@dataclass(frozen=True)
class ModelRegistry:
    """The versions of the model `name` in the MLflow store at `tracking_uri`.

    The constructor opens no connection. `artifact_root` is the folder of artefacts for a database
    without a server; by default a SQLite file keeps them in its own folder. A server decides for
    itself. `ui_url` is the address of the MLflow UI, if it differs from that of the server.
    """

    tracking_uri: str = field(repr=False)
    name: str
    artifact_root: Path | None = None
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
    ui_url: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_settings(
        cls, settings: RegistrySettings, *, clock: Clock | None = None
    ) -> ModelRegistry:
        """Return the registry of `settings`."""
        root = None
        if scheme_of(settings.tracking_uri) not in SERVERS:
            root = settings.home / "mlflow" / ARTIFACTS
        return cls(
            settings.tracking_uri,
            settings.model_name,
            root,
            clock or SystemClock(),
            settings.ui_url,
        )

    def now_ms(self) -> int:
        """Return the time of the clock as MLflow stores it, in milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)

    @cached_property
    def client(self) -> MlflowClient:
        """The MLflow client, opened on first use. A home that was moved is repaired first."""
        client = make_client(self.tracking_uri)
        path = sqlite_file(self.tracking_uri)
        if path is not None and self.artifact_root in {None, path.parent / ARTIFACTS}:
            with translate_errors(f"adapting {path} to its new folder", self.tracking_uri):
                relocate_artifacts(path)
        return client

    @property
    def address(self) -> str:
        """The address of the registry, without user name and password."""
        return redacted(self.tracking_uri)

    @contextmanager
    def request(self, action: str) -> Iterator[MlflowClient]:
        """Yield the client; its errors become `RegistryError` or `RegistryDownError`."""
        with translate_errors(f"{action} ({self.address})", self.tracking_uri):
            yield self.client

    def alias_version(self, alias: str) -> int | None:
        """Return the version of `alias`, or None; cheap enough to poll every second."""
        if self._is_uncreated():
            return None
        with self.request(f"reading the alias {alias!r} of {self.name!r}") as client:
            try:
                return int(client.get_model_version_by_alias(self.name, alias).version)
            except Exception as error:
                if error_code(error) in NOT_FOUND_CODES:
                    return None
                raise

    def get(self, which: int | str) -> VersionInfo:
        """Return one version by its number or alias; raise `RegistryError` if there is none."""
        text = str(which)
        number = int(text) if text.isdecimal() else self.alias_version(text)
        for info in self.list():
            if info.version == number:
                return info
        missing = f"version {text}" if text.isdecimal() else f"alias {text!r}"
        msg = f"{self.name!r} has no {missing}. {self._available()}"
        raise RegistryError(msg)

    def list(self) -> tuple[VersionInfo, ...]:
        """Return every version, newest first."""
        if self._is_uncreated():
            return ()
        return self._search(f"name = '{self.name}'")

    def with_fingerprint(self, fingerprint: str) -> tuple[VersionInfo, ...]:
        """Return the versions of the bundle with this fingerprint, newest first."""
        return self._search(f"name = '{self.name}' and tags.`{FINGERPRINT_TAG}` = '{fingerprint}'")

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version and keep its other tags."""
        with self.request(f"tagging version {version} of {self.name!r}") as client:
            for key, value in tags.items():
                client.set_model_version_tag(self.name, str(version), key, value)

    def download(self, version: int, dest: Path) -> Path:
        """Download the bundle of a version into the folder `dest`, atomically.

        A `dest` that already contains the same bundle is kept. Raises `RegistryError` if the
        version has no bundle, and `BundleError` if the bundle differs from the registered one.
        """
        info = self.get(version)
        if info.fingerprint is None:
            msg = f"Version {version} of {self.name!r} contains no Stockcast bundle. {RUN_HINT}"
            raise RegistryError(msg)
        if bundle_fingerprint(dest) == info.fingerprint:
            return dest
        with self.request(f"fetching the bundle of version {version}") as client:
            uri = client.get_model_version_download_uri(self.name, str(version))
            staged = fetch_folder(f"{uri}/{BUNDLE_PATH}", dest, with_driver(self.tracking_uri))
        if bundle_fingerprint(staged) != info.fingerprint:
            shutil.rmtree(staged)
            msg = (
                f"The bundle of version {version} is not the one that was registered, because its "
                "files have changed; `stockcast rollback --reason ...` restores an earlier one."
            )
            raise BundleError(msg)
        return replace_folder(staged, dest)

    def download_evidence(self, version: int, name: str, dest: Path) -> Path:
        """Download an evidence file of a version, such as ``evaluation.json``, into `dest`."""
        info = self.get(version)
        with self.request(f"fetching {name!r} of version {version}") as client:
            listed = client.list_artifacts(info.run_id, EVIDENCE_PATH)
            names = sorted(str(entry.path).rpartition("/")[2] for entry in listed)
            if name not in names:
                msg = f"Version {version} has no evidence file {name!r}; it has {', '.join(names)}."
                raise RegistryError(msg)
            dest.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=dest) as staging:
                path = client.download_artifacts(info.run_id, f"{EVIDENCE_PATH}/{name}", staging)
                return Path(path).replace(dest / name)

    def _is_uncreated(self) -> bool:
        """Return whether this is a SQLite file that does not exist. Reading must not create it."""
        path = sqlite_file(self.tracking_uri)
        return path is not None and not path.exists()

    def _search(self, condition: str) -> tuple[VersionInfo, ...]:
        with self.request(f"listing the versions of {self.name!r}") as client:
            try:
                named: dict[str, Any] = client.get_registered_model(self.name).aliases
            except Exception as error:
                if error_code(error) in NOT_FOUND_CODES:
                    return ()
                raise
            versions: list[ModelVersion] = []
            token: str | None = None
            while token is None or token:
                page = client.search_model_versions(condition, page_token=token)
                versions += page
                token = page.token or ""
        # A search in SQLite returns versions without their aliases.
        aliases = {alias: int(version) for alias, version in named.items()}
        infos = (_read(entry, aliases) for entry in versions)
        return tuple(sorted(infos, key=lambda info: info.version, reverse=True))

    def _available(self) -> str:
        versions = [
            f"{info.version}{' (' + ', '.join(info.aliases) + ')' if info.aliases else ''}"
            for info in self.list()
        ]
        return f"It has {', '.join(versions)}." if versions else f"It has no versions. {RUN_HINT}"


def _read(entry: ModelVersion, aliases: Mapping[str, int]) -> VersionInfo:
    version = int(entry.version)
    return VersionInfo(
        name=entry.name,
        version=version,
        run_id=entry.run_id or "",
        aliases=tuple(sorted(alias for alias, named in aliases.items() if named == version)),
        tags=dict(entry.tags),
        created=datetime.fromtimestamp(entry.creation_timestamp / 1000, tz=UTC),
        source=entry.source or "",
        description=entry.description or "",
    )
