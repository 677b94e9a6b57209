"""What assets hand to each other: folders of results, named by what went into them.

A stage that was made from the same code, settings and data is taken as it is, so a repeated run is
quick. A folder appears by one rename when it is whole, so a killed run leaves nothing half made;
the draft that it was working on is removed by the next one. No asset logic here.
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
from typing import Any

import dagster as dg
import polars as pl

from core.errors import PermanentError
from core.files import locked, write_atomically
from pipelines.stages.fingerprints import code_version, fingerprint

KEPT = 12
LINEAGE = "lineage"
_DRAFT = ".draft-"
_LOCK = ".lock"


@dataclass(frozen=True)
class Stage:
    """One finished result: a read-only folder and the key of what went into it."""

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
            When it was cleared away since.
        """
        key = self.document(LINEAGE)[name]
        path = self.path.parent.parent / name / key
        if not path.is_dir():
            msg = (
                f"`{self.name}` was made from a `{name}` that is gone; materialise `{name}` again."
            )
            raise PermanentError(msg)
        return Stage(name, key, path)

    @property
    def data_version(self) -> dg.DataVersion:
        """Dagster's data version: equal keys are equal data."""
        return dg.DataVersion(self.key[:16])


class StageStore(dg.IOManager):
    """Makes stages, and passes the newest of each asset to the assets behind it."""

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
        """Return the stage made from these, calling ``build(folder)`` only if it is new.

        Parameters
        ----------
        name
            Of the stage.
        ingredients
            Settings that decide the result, fit for JSON. The code always counts among them.
        build
            Writes the result's files into a folder that is there.
        upstream
            The stages that it is made from; `Stage.upstream` finds them, and theirs, again.
        kept
            How many stages of this name stay, the last used ones.
        """
        made_from = {stage.name: stage.key for stage in upstream}
        parts = {"stage": name, "code": code_version(), "upstream": made_from}
        key = fingerprint({**parts, "ingredients": ingredients})
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
                if not path.is_dir():  # else another run finished the same stage first
                    raise
        with locked(path.parent / _LOCK):
            _prune(path.parent, kept)
        return Stage(name, key, path, reused=False)

    def handle_output(self, context: dg.OutputContext, obj: Stage | None) -> None:
        """Point at the stage that an asset returned."""
        if obj is None:
            return
        pointer = self._pointer(context.asset_key)
        write_atomically(pointer, json.dumps({"stage": obj.name, "key": obj.key}).encode())
        context.add_output_metadata(
            {"folder": dg.MetadataValue.path(obj.path), "reused": obj.reused}
        )

    def load_input(self, context: dg.InputContext) -> Stage:
        """Return the newest stage of the asset in front."""
        return self.newest(context.asset_key)

    def newest(self, asset: dg.AssetKey) -> Stage:
        """Return the newest stage of `asset`.

        Raises
        ------
        PermanentError
            When the asset was never materialised, or its folder was removed.
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
    """Lend a new folder, locked as long as its maker lives, and remove what is left of it."""
    with locked(folder / _LOCK):
        for left in folder.glob(f"{_DRAFT}*"):
            _remove_if_abandoned(left)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
        handle = _lock(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def _remove_if_abandoned(draft: Path) -> None:
    """Remove the draft of a run that was killed: the system has freed its lock."""
    with suppress(OSError):  # a run at work holds it, or has just finished it
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
        # Renamed first: a kill in the middle must not leave half a stage under its own name.
        doomed = path.with_name(f"{_DRAFT}doomed-{path.name}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _lineage(upstream: Sequence[Stage]) -> dict[str, str]:
    """Return the key of every stage that went into a result, by name."""
    keys: dict[str, str] = {}
    for stage in upstream:
        keys |= {**stage.document(LINEAGE), stage.name: stage.key}
    return keys
