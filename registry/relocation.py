"""Repair of the artefact paths in MLflow's SQLite database after its home was moved or copied.

MLflow stores absolute paths. Without the repair, a renamed home loses its bundles, and a copied
home reads and writes those of the original.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ARTIFACTS = "artifacts"
BUSY_SECONDS = 30

# Columns of MLflow that contain paths of artefacts.
_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_OTHER_ROOTS = """
    SELECT DISTINCT substr(artifact_location, 1, length(artifact_location) - length(name) - 1)
    FROM experiments
    WHERE substr(artifact_location, -length(name) - 1) = '/' || name
    AND substr(artifact_location, 1, ?) <> ?
"""
_SOURCES = "SELECT source FROM model_versions WHERE substr(source, 1, ?) = ?"

_log = logging.getLogger(__name__)


def relocate_artifacts(database: Path) -> bool:
    """Point `database` to the artefacts in its own folder; return whether it was changed.

    All paths change in one transaction, and only if the artefacts are in that folder. A database
    that was copied without its artefacts keeps the recorded paths.
    """
    root = str(database.parent / ARTIFACTS)
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as opened:
        if not _movable_roots(opened, root):
            return False
        opened.execute("BEGIN IMMEDIATE")
        # Another process may have repaired the database meanwhile.
        moved = _movable_roots(opened, root)
        for old in moved:
            _replace_root(opened, old, root)
        opened.execute("COMMIT")
    for old in moved:
        _log.info("The artefacts of the registry moved from %s to %s.", old, root)
    return bool(moved)


def _movable_roots(opened: sqlite3.Connection, root: str) -> Sequence[str]:
    """Return the recorded folders of artefacts with contents that are now in `root`."""
    rows = opened.execute(_OTHER_ROOTS, (len(root) + 1, f"{root}/")).fetchall()
    return [old for (old,) in rows if _has_moved(opened, old, root)]


def _has_moved(opened: sqlite3.Connection, old: str, root: str) -> bool:
    """Return whether `root` has the bundles of `old`; a bundle that neither has does not count."""
    prefix = f"{old}/"
    sources = [source for (source,) in opened.execute(_SOURCES, (len(prefix), prefix))]
    if not sources:
        return Path(root).exists() or not Path(old).exists()
    present = [Path(root, source.removeprefix(prefix)).exists() for source in sources]
    lost = [Path(s).exists() and not p for s, p in zip(sources, present, strict=True)]
    return any(present) and not any(lost)


def _replace_root(opened: sqlite3.Connection, old: str, root: str) -> None:
    for table, column in _PATHS:
        statement = (
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  constants
            f"WHERE substr({column}, 1, ?) = ?"
        )
        opened.execute(statement, (root, len(old) + 1, len(old) + 1, f"{old}/"))
