"""Stages for tests: folders with given tables and documents, as an asset would have left them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pipelines.stages.store import Stage, StageStore


def make_stage(
    root: Path,
    name: str,
    *,
    frames: dict[str, pl.DataFrame] | None = None,
    documents: dict[str, object] | None = None,
    files: dict[str, bytes] | None = None,
    save: Callable[[Path], None] | None = None,
    upstream: tuple[Stage, ...] = (),
) -> Stage:
    """Write a stage of `name` under `root`, holding exactly these files."""

    def build(folder: Path) -> None:
        for stem, frame in (frames or {}).items():
            frame.write_parquet(folder / f"{stem}.parquet")
        for stem, content in (documents or {}).items():
            (folder / f"{stem}.json").write_text(json.dumps(content))
        for file, content in (files or {}).items():
            (folder / file).write_bytes(content)

        if save is not None:
            save(folder)

    return StageStore(root).make(name, {}, build, upstream=upstream)
