"""Folders of results that assets pass to each other, named by a hash of their ingredients.

A stage with the same code, settings and data is reused, so a repeated run is quick. A build writes
into a draft folder, which one rename turns into the stage. A killed run therefore leaves no
incomplete stage, and the next run removes its draft. The other modules of this package read and
write the contents.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import dagster as dg
import polars as pl

from core.errors import PermanentError
from core.files import locked, write_atomically
from pipelines.stages.code_version import code_version_of
from pipelines.stages.fingerprints import fingerprint

KEPT = 12
LINEAGE = "lineage"
_DRAFT = ".draft-"
_LOCK = ".lock"


@dataclass(frozen=True)
class Stage:
    """One finished result: a read-only folder, and the hash of its ingredients."""

    name: str
    key: str
    path: Path
    reused: bool = True

    def frame(self, name: str) -> pl.DataFrame:
        """Read the table ``<name>.parquet``."""
        return pl.read_parquet(self.path / f"{name}.parquet")

    def document(self, name: str) -> Any:  # noqa: ANN401  JSON has no type
        """Read the document ``<name>.json``."""
        return json.loads((self.path / f"{name}.json").read_text())

    def upstream(self, name: str) -> "Stage":
        """Return the stage `name` that this one was made from, directly or through others.

        Raises
        ------
        PermanentError
            When that stage has been removed since.
        """
        key = self.document(LINEAGE)[name]
        path = self.path.parent.parent / name / key
        if not path.is_dir():
            msg = (
                f"`{self.name}` was made from a `{name}` stage that has been removed; "
                f"materialise `{name}` again."
            )
            raise PermanentError(msg)
        return Stage(name, key, path)

    @property
    def data_version(self) -> dg.DataVersion:
        """Dagster's data version: equal keys are equal data."""
        return dg.DataVersion(self.key[:16])


@dataclass(frozen=True)
class StageReader:
    """Typed view of a stage. Subclasses name the stage and read its files on access."""

    NAME: ClassVar[str]

    stage: Stage

    @classmethod
    def upstream_of(cls, stage: Stage) -> Self:
        """Return the stage of this kind that `stage` was made from; see `Stage.upstream`."""
        return cls(stage.upstream(cls.NAME))


class StageStore(dg.IOManager):
    """Builds stages, and loads the newest stage of each asset for the assets downstream."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(
        self,
        name: str,
        ingredients: Mapping[str, Any],
        build: Callable[[Path], None],
        *,
        upstream: Sequence[Stage] = (),
        kept: int = KEPT,
    ) -> Stage:
        """Return the stage with these ingredients; call ``build(folder)`` only if it is new.

        Parameters
        ----------
        name
            The name of the stage.
        ingredients
            Settings and data versions that decide the result, as JSON types. The version of the
            code that `build` uses is added to them.
        build
            A function, or a `partial` of one, that writes the files into an existing folder.
        upstream
            The stages that this one is made from. `Stage.upstream` finds them, and theirs.
        kept
            The number of stages of this name to keep, the most recently used ones.
        """
        key = fingerprint(
            {
                "stage": name,
                "code": code_version_of(build),
                "upstream": {stage.name: stage.key for stage in upstream},
                "ingredients": ingredients,
            }
        )
        path = self.root / name / key
        if path.is_dir():
            os.utime(path)
            return Stage(name, key, path)
        with _draft_in(path.parent) as draft:
            build(draft)
            (draft / f"{LINEAGE}.json").write_text(json.dumps(_lineage(upstream)))
            try:
                draft.rename(path)
            except OSError:
                if not path.is_dir():  # otherwise another run finished the same stage first
                    raise
        with locked(path.parent / _LOCK):
            _prune(path.parent, kept)
        return Stage(name, key, path, reused=False)

    def handle_output(self, context: dg.OutputContext, obj: Stage | None) -> None:
        """Record the stage that an asset returned as its newest."""
        if obj is None:
            return
        pointer = self._pointer(context.asset_key)
        write_atomically(pointer, json.dumps({"stage": obj.name, "key": obj.key}).encode())
        context.add_output_metadata(
            {"folder": dg.MetadataValue.path(obj.path), "reused": obj.reused}
        )

    def load_input(self, context: dg.InputContext) -> Stage:
        """Return the newest stage of the upstream asset."""
        return self.newest(context.asset_key)

    def newest(self, asset: dg.AssetKey) -> Stage:
        """Return the newest stage of `asset`.

        Raises
        ------
        PermanentError
            When the asset was never materialised, or its stage has been removed.
        """
        name = asset.to_user_string()
        pointer = self._pointer(asset)
        if pointer.is_file():
            target = json.loads(pointer.read_text())
            path = self.root / target["stage"] / target["key"]
            if path.is_dir():
                return Stage(target["stage"], target["key"], path)
        msg = f"Asset `{name}` has no result under {self.root}; materialise `{name}` first."
        raise PermanentError(msg)

    def _pointer(self, asset: dg.AssetKey) -> Path:
        return self.root / "newest" / f"{'.'.join(asset.path)}.json"


@contextmanager
def _draft_in(folder: Path) -> Iterator[Path]:
    """Yield a new folder, locked while this process lives; remove the drafts of killed runs."""
    with locked(folder / _LOCK):
        for draft in folder.glob(f"{_DRAFT}*"):
            _remove_if_abandoned(draft)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
        handle = _lock(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def _remove_if_abandoned(draft: Path) -> None:
    """Remove the draft of a killed run if the system has released its lock."""
    with suppress(OSError):  # a running build holds the lock, or has just renamed the draft
        handle = _lock(draft)
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def _lock(draft: Path) -> int:
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _prune(folder: Path, kept: int) -> None:
    stages = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")),
        key=lambda path: path.stat().st_mtime,
    )
    for path in stages[:-kept]:
        # Renamed first: a kill during the removal must not leave a partial stage under its name.
        removed = path.with_name(f"{_DRAFT}removed-{path.name}")
        path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _lineage(upstream: Sequence[Stage]) -> dict[str, str]:
    """Return the names and keys of all stages that a result was made from."""
    keys: dict[str, str] = {}
    for stage in upstream:
        keys |= {**stage.document(LINEAGE), stage.name: stage.key}
    return keys
