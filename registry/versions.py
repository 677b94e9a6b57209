"""Versions of one registered model: finding them, reading what they say, and fetching their bundle.

Reading belongs here, and runs with `mlflow-skinny`, because serving needs it. Logging a candidate
does not (`registry.publishing.candidates`), nor does moving an alias (`registry.promotion.aliases`).
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
from registry.artefacts import bundle_fingerprint, fetch_folder, replace_folder
from registry.client import (
    SERVERS,
    error_code,
    make_client,
    redacted,
    scheme_of,
    sqlite_file,
    translated,
    with_driver,
)
from registry.names import BUNDLE_PATH, CUTOFF_TAG, EVIDENCE_PATH, FINGERPRINT_TAG, WITHDRAWN_TAG
from registry.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


NOT_THERE = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})
RUN_FIRST = "`stockcast run` trains and registers one."


@dataclass(frozen=True)
class VersionInfo:
    """One version as the registry knows it.

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
        """The last session that training has seen."""
        text = self.tags.get(CUTOFF_TAG)
        return date.fromisoformat(text) if text else None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the version's bundle."""
        return self.tags.get(FINGERPRINT_TAG)

    @property
    def withdrawal_reason(self) -> str | None:
        """Why a person rolled this version back; None when nobody did, or it was promoted again."""
        return self.tags.get(WITHDRAWN_TAG)


@dataclass(frozen=True)
class ModelRegistry:
    """The versions of the model `name` in the MLflow store at `tracking_uri`.

    Making one opens nothing. `artifact_root` is where a database without a server keeps artefacts;
    a SQLite file keeps them beside itself, and a server knows its own place.
    """

    tracking_uri: str = field(repr=False)
    name: str
    artifact_root: Path | None = None
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)

    @classmethod
    def from_settings(
        cls, settings: RegistrySettings, *, clock: Clock | None = None
    ) -> ModelRegistry:
        """Return the registry that the settings name."""
        root = None
        if scheme_of(settings.tracking_uri) not in SERVERS:
            root = settings.home / "mlflow" / "artifacts"
        return cls(settings.tracking_uri, settings.model_name, root, clock or SystemClock())

    def now_ms(self) -> int:
        """Return the time of the clock as MLflow stores it, in milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)

    @cached_property
    def client(self) -> MlflowClient:
        """The MLflow client, opened at first use."""
        return make_client(self.tracking_uri)

    @property
    def address(self) -> str:
        """Where the registry is, fit to be shown: without user and password."""
        return redacted(self.tracking_uri)

    @contextmanager
    def request(self, doing: str) -> Iterator[MlflowClient]:
        """Lend the client; what it raises becomes a `RegistryError` or `RegistryDownError`."""
        with translated(f"{doing} ({self.address})", self.tracking_uri):
            yield self.client

    def page(self, version: int) -> str | None:
        """Return the address of a version's page, when the registry is a server."""
        if scheme_of(self.tracking_uri) not in SERVERS:
            return None
        address = redacted(self.tracking_uri, by="").rstrip("/")
        return f"{address}/#/models/{self.name}/versions/{version}"

    def alias_version(self, alias: str) -> int | None:
        """Return the version that `alias` names, or None; cheap enough to ask every second."""
        if self._has_no_file_yet():
            return None
        with self.request(f"reading the alias {alias!r} of {self.name!r}") as client:
            try:
                return int(client.get_model_version_by_alias(self.name, alias).version)
            except Exception as error:
                if error_code(error) in NOT_THERE:
                    return None
                raise

    def get(self, which: int | str) -> VersionInfo:
        """Return one version, by its number or its alias; `RegistryError` when there is none."""
        text = str(which)
        number = int(text) if text.isdecimal() else self.alias_version(text)
        for info in self.list():
            if info.version == number:
                return info
        what = f"version {text}" if text.isdecimal() else f"alias {text!r}"
        msg = f"{self.name!r} has no {what}. {self._known()}"
        raise RegistryError(msg)

    def list(self) -> tuple[VersionInfo, ...]:
        """Return every version, the newest first."""
        if self._has_no_file_yet():
            return ()
        return self._search(f"name = '{self.name}'")

    def with_fingerprint(self, fingerprint: str) -> tuple[VersionInfo, ...]:
        """Return the versions that hold this very bundle, the newest first."""
        return self._search(f"name = '{self.name}' and tags.`{FINGERPRINT_TAG}` = '{fingerprint}'")

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version; its other tags stay."""
        with self.request(f"tagging version {version} of {self.name!r}") as client:
            for key, value in tags.items():
                client.set_model_version_tag(self.name, str(version), key, value)

    def download(self, version: int, dest: Path) -> Path:
        """Fetch a version's bundle into the folder `dest`, which appears whole or not at all.

        A `dest` that already holds the very bundle is kept. Raises `RegistryError` when the version
        has no bundle, and `BundleError` when it is not the bundle that was registered.
        """
        info = self.get(version)
        if info.fingerprint is None:
            msg = f"Version {version} of {self.name!r} holds no bundle of Stockcast. {RUN_FIRST}"
            raise RegistryError(msg)
        if bundle_fingerprint(dest) == info.fingerprint:
            return dest
        with self.request(f"fetching the bundle of version {version}") as client:
            uri = client.get_model_version_download_uri(self.name, str(version))
            staged = fetch_folder(f"{uri}/{BUNDLE_PATH}", dest, with_driver(self.tracking_uri))
        if bundle_fingerprint(staged) != info.fingerprint:
            shutil.rmtree(staged)
            msg = (
                f"The bundle of version {version} is not the one that was registered; something "
                "changed its files. `stockcast rollback --reason ...` returns to the one before."
            )
            raise BundleError(msg)
        return replace_folder(staged, dest)

    def download_evidence(self, version: int, name: str, dest: Path) -> Path:
        """Fetch one evidence file of a version, such as ``evaluation.json``, into folder `dest`."""
        info = self.get(version)
        with self.request(f"fetching {name!r} of version {version}") as client:
            listed = client.list_artifacts(info.run_id, EVIDENCE_PATH)
            names = sorted(str(entry.path).rpartition("/")[2] for entry in listed)
            if name not in names:
                msg = f"Version {version} has no evidence {name!r}; it has {', '.join(names)}."
                raise RegistryError(msg)
            dest.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=dest) as staging:
                path = client.download_artifacts(info.run_id, f"{EVIDENCE_PATH}/{name}", staging)
                return Path(path).replace(dest / name)

    def _has_no_file_yet(self) -> bool:
        """Whether this is a SQLite file that nobody has made; only looking must not make it."""
        path = sqlite_file(self.tracking_uri)
        return path is not None and not path.exists()

    def _search(self, condition: str) -> tuple[VersionInfo, ...]:
        with self.request(f"listing the versions of {self.name!r}") as client:
            try:
                named: dict[str, Any] = client.get_registered_model(self.name).aliases
            except Exception as error:
                if error_code(error) in NOT_THERE:
                    return ()
                raise
            found: list[ModelVersion] = []
            token: str | None = None
            while token is None or token:
                page = client.search_model_versions(condition, page_token=token)
                found += page
                token = page.token or ""
        # A search over SQLite leaves each version's own aliases empty.
        aliases = {alias: int(version) for alias, version in named.items()}
        infos = (_read(entry, aliases) for entry in found)
        return tuple(sorted(infos, key=lambda info: info.version, reverse=True))

    def _known(self) -> str:
        known = [
            f"{info.version}{' (' + ', '.join(info.aliases) + ')' if info.aliases else ''}"
            for info in self.list()
        ]
        return f"It has {', '.join(known)}." if known else f"It has no versions: {RUN_FIRST}"


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
