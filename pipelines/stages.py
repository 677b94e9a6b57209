"""What assets hand to each other: folders of results, named by what went into them.

A stage that was made from the same code, settings and data is taken as it is, so a repeated run is
quick. A folder appears by one rename when it is whole, so a killed run leaves nothing half made.
No asset logic here.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from market.errors import PermanentError
from pipelines.fingerprints import code_version, fingerprint

KEPT = 12


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

    @property
    def data_version(self) -> dg.DataVersion:
        """Dagster's data version: equal keys are equal data."""
        return dg.DataVersion(self.key[:16])


class StageStore(dg.IOManager):
    """Makes stages, and passes the newest of each asset to the assets behind it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(
        self, name: str, ingredients: Mapping[str, Any], build: Callable[[Path], None]
    ) -> Stage:
        """Return the stage made from `ingredients`, calling ``build(folder)`` only if it is new."""
        key = fingerprint({"stage": name, "code": code_version(), **ingredients})
        path = self.root / name / key
        if path.is_dir():
            os.utime(path)
            return Stage(name, key, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=path.parent))
        try:
            build(draft)
            draft.rename(path)
        except OSError:
            if not path.is_dir():  # else another run finished the same stage first
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._prune(path.parent)
        return Stage(name, key, path, reused=False)

    def handle_output(self, context: dg.OutputContext, obj: Stage | None) -> None:
        """Point at the stage that an asset returned."""
        if obj is None:
            return
        pointer = self._pointer(context.asset_key)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = pointer.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"stage": obj.name, "key": obj.key}))
        draft.replace(pointer)
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

    def _prune(self, folder: Path) -> None:
        stages = sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")),
            key=lambda path: path.stat().st_mtime,
        )
        for path in stages[:-KEPT]:
            # Renamed first: a kill in the middle must not leave half a stage under its own name.
            doomed = path.with_name(f".doomed-{path.name}")
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
