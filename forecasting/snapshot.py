"""The newest feature window of every ticker, published by the pipeline and mapped by serving.

::

    root/<feature hash>/current                          the fingerprint of the live snapshot
                       /<fingerprint>/windows.npy        float32 (tickers, lookback, features)
                                     /index.json         everything else

A snapshot is written beside the live one and goes live when `current` is replaced, so a reader sees
the old or the new one whole. Needs numpy and the standard library, nothing else, because every
serving process imports it. Computing the windows is `forecasting.samples.panel.latest_windows`.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import SnapshotError
from core.files import locked, remove_temporary_files, write_atomically

# Under the home: where the pipelines publish and the service reads.
SNAPSHOT_FOLDER = "snapshot"
CURRENT, WINDOWS, INDEX, LOCK = "current", "windows.npy", "index.json", ".lock"
# The live one, and the one before it for readers that were about to open it.
KEPT = 2


@dataclass(frozen=True)
class Snapshot:
    """What serving needs to know of every ticker, besides the model.

    Attributes
    ----------
    feature_hash, feature_names
        Version of the feature set, and its columns in order.
    tickers
        Tickers in the order of `windows`; `exchanges`, `as_of` and `close` follow it too.
    exchanges
        MIC of the exchange whose calendar each ticker follows.
    as_of
        Session that each window ends with.
    close
        Close of that session as traded, not adjusted.
    target_sessions
        For each horizon the target session of every ticker, by its exchange's calendar.
    windows
        float32 (tickers, lookback, features), unscaled, without NaN.
    data_fingerprint
        The content of the bar store that this was computed from.
    skipped
        Tickers without a complete window, and why.
    """

    feature_hash: str
    feature_names: tuple[str, ...]
    tickers: tuple[str, ...]
    exchanges: tuple[str, ...]
    as_of: tuple[date, ...]
    close: tuple[float, ...]
    target_sessions: Mapping[int, tuple[date, ...]]
    windows: NDArray[np.float32]
    data_fingerprint: str
    skipped: Mapping[str, str]

    def __post_init__(self) -> None:
        lengths = {
            "exchanges": len(self.exchanges),
            "as_of": len(self.as_of),
            "close": len(self.close),
            "windows": len(self.windows),
            **{f"target_sessions[{h}]": len(s) for h, s in self.target_sessions.items()},
        }
        for name, length in lengths.items():
            if length != len(self.tickers):
                msg = f"`{name}` must have one entry a ticker ({len(self.tickers)}), got {length}."
                raise SnapshotError(msg)
        if self.windows.ndim != 3 or self.windows.shape[2] != len(self.feature_names):  # noqa: PLR2004 - tickers, lookback, features
            msg = (
                f"`windows` must be (tickers, lookback, {len(self.feature_names)} features), "
                f"got shape {self.windows.shape}."
            )
            raise SnapshotError(msg)
        if not np.isfinite(self.windows).all():
            msg = "`windows` must be finite: publish complete windows alone."
            raise SnapshotError(msg)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all content; equal content has an equal fingerprint."""
        digest = hashlib.sha256(_index_bytes(self))
        digest.update(np.ascontiguousarray(self.windows, dtype="<f4").data)
        return digest.hexdigest()


def write_snapshot(root: Path, snapshot: Snapshot) -> Path:
    """Publish the snapshot and return its folder; when it is live already, write nothing.

    Safe to be killed at any moment, and to be called by several processes at once. Older snapshots
    of the same feature hash are removed, except the one before; a reader that has mapped a removed
    one goes on, because the system keeps mapped files.
    """
    versions = root / snapshot.feature_hash
    folder = versions / snapshot.fingerprint
    with locked(versions / LOCK):
        if snapshot_token(root, snapshot.feature_hash) == snapshot.fingerprint and _intact(folder):
            return folder
        remove_temporary_files(versions)
        if not _intact(folder):
            shutil.rmtree(folder, ignore_errors=True)
            write_atomically(folder / WINDOWS, _npy_bytes(snapshot.windows))
            write_atomically(folder / INDEX, _index_bytes(snapshot))
        previous = snapshot_token(root, snapshot.feature_hash)
        write_atomically(versions / CURRENT, snapshot.fingerprint.encode())
        _prune(versions, keep={snapshot.fingerprint, previous})
    return folder


def read_snapshot(root: Path, feature_hash: str) -> Snapshot:
    """Map the live snapshot of a feature hash and verify that it is what was written.

    Raises
    ------
    SnapshotError
        When there is none yet, or it is damaged; says how to publish one.
    """
    for _ in range(KEPT + 1):
        token = snapshot_token(root, feature_hash)
        if token is None:
            msg = (
                f"no snapshot of features {feature_hash[:12]} under {root}; run the pipeline "
                "(`stockcast run`), which publishes one after each ingest."
            )
            raise SnapshotError(msg)
        # Removed between the two reads: a newer one is live, so look again.
        with suppress(FileNotFoundError):
            return _read_folder(root / feature_hash / token)
    msg = f"the live snapshot {token} under {root} has lost files; run the pipeline to publish it."
    raise SnapshotError(msg)


def snapshot_token(root: Path, feature_hash: str) -> str | None:
    """Return the fingerprint of the live snapshot, or None: one small read, for pollers."""
    try:
        return (root / feature_hash / CURRENT).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def _read_folder(folder: Path) -> Snapshot:
    try:
        index = json.loads((folder / INDEX).read_bytes())
        if "exchanges" not in index and "exchange" in index:
            raise _outdated(folder)
        windows = np.load(folder / WINDOWS, mmap_mode="r", allow_pickle=False)
        snapshot = _from_index(index, windows)
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise _damaged(folder) from error
    if snapshot.fingerprint != folder.name:
        raise _damaged(folder)
    return snapshot


def _outdated(folder: Path) -> SnapshotError:
    return SnapshotError(
        f"snapshot {folder} is of an earlier Stockcast, which gave all tickers one calendar; run "
        "the pipeline (`stockcast run`) to publish it anew."
    )


def _damaged(folder: Path) -> SnapshotError:
    return SnapshotError(f"snapshot {folder} is damaged; run the pipeline to publish it again.")


def _intact(folder: Path) -> bool:
    try:
        _read_folder(folder)
    except (SnapshotError, FileNotFoundError):
        return False
    return True


def _prune(versions: Path, keep: set[str | None]) -> None:
    for folder in versions.iterdir():
        if folder.is_dir() and folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _npy_bytes(windows: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(windows, dtype="<f4"), allow_pickle=False)
    return buffer.getvalue()


def _index_bytes(snapshot: Snapshot) -> bytes:
    index = {
        "feature_hash": snapshot.feature_hash,
        "feature_names": snapshot.feature_names,
        "tickers": snapshot.tickers,
        "exchanges": snapshot.exchanges,
        "as_of": [session.isoformat() for session in snapshot.as_of],
        "close": snapshot.close,
        "target_sessions": {
            str(horizon): [session.isoformat() for session in sessions]
            for horizon, sessions in snapshot.target_sessions.items()
        },
        "shape": snapshot.windows.shape,
        "data_fingerprint": snapshot.data_fingerprint,
        "skipped": dict(snapshot.skipped),
    }
    return json.dumps(index, sort_keys=True, indent=1).encode()


def _from_index(index: dict[str, Any], windows: NDArray[np.float32]) -> Snapshot:
    return Snapshot(
        feature_hash=index["feature_hash"],
        feature_names=tuple(index["feature_names"]),
        tickers=tuple(index["tickers"]),
        exchanges=tuple(index["exchanges"]),
        as_of=tuple(date.fromisoformat(session) for session in index["as_of"]),
        close=tuple(index["close"]),
        target_sessions={
            int(horizon): tuple(date.fromisoformat(session) for session in sessions)
            for horizon, sessions in index["target_sessions"].items()
        },
        windows=windows,
        data_fingerprint=index["data_fingerprint"],
        skipped=index["skipped"],
    )
