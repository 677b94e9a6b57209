"""A registry in memory, whose aliases a test moves and which can go down."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.errors import RegistryDownError, RegistryError
from forecasting.bundle.bundle import Bundle
from registry.names import FINGERPRINT_TAG
from registry.versions import VersionInfo


@dataclass
class FakeRegistry:
    """The methods of `ModelRegistry` that serving uses, on local folders."""

    name: str = "stockcast"
    folders: dict[int, Path] = field(default_factory=dict)
    tags: dict[int, Mapping[str, str]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    down: str | None = None
    ui_url: str | None = None
    tracking_uri: str = "sqlite:///"
    downloads: int = 0

    def add(self, folder: Path, bundle: Bundle) -> int:
        version = len(self.folders) + 1
        self.folders[version] = folder
        self.tags[version] = {FINGERPRINT_TAG: bundle.fingerprint}
        return version

    def alias_version(self, alias: str) -> int | None:
        self._check_up()
        return self.aliases.get(alias)

    def get(self, which: int) -> VersionInfo:
        self._check_up()
        if which not in self.folders:
            msg = f"no version {which}"
            raise RegistryError(msg)
        created = datetime(2026, 1, 1, tzinfo=UTC)
        return VersionInfo(
            name=self.name,
            version=which,
            run_id="",
            aliases=(),
            tags=self.tags[which],
            created=created,
            source="",
            description="",
        )

    def download(self, version: int, dest: Path) -> Path:
        self._check_up()
        if dest.exists():
            return dest
        self.downloads += 1
        shutil.copytree(self.folders[version], dest)
        return dest

    def _check_up(self) -> None:
        if self.down is not None:
            raise RegistryDownError(self.down)
