"""The snapshot: the newest feature window of every ticker, published for serving.

::

    root/<feature hash>/current                          fingerprint of the live snapshot
                       /<fingerprint>/windows.npy        float32 (tickers, lookback, features)
                                     /prices.npy         closes of the last sessions
                                     /index.json         all other fields

The pipeline writes a snapshot to a new folder and then replaces `current`, so a reader always sees
a complete snapshot. Needs only NumPy, because every serving process imports the module.
`forecasting.samples.windows.latest_windows` computes the windows.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import SnapshotError
from core.files import locked, remove_temporary_files, write_atomically
from forecasting.price_history import PRICE
from forecasting.snapshot_index import pack_index, unpack_index

# Folder below `home` that the pipeline writes and the service reads.
SNAPSHOT_FOLDER = "snapshot"
CURRENT, LOCK = "current", ".lock"
WINDOWS, PRICES, INDEX = "windows.npy", "prices.npy", "index.json"
# The live snapshot, and the previous one for readers that are opening it.
KEPT = 2


@dataclass(frozen=True)
class Snapshot:
    """Inputs of the live model for every ticker.

    Attributes
    ----------
    feature_hash, feature_names
        Version of the feature set, and its columns in order.
    tickers
        Tickers in the order of `windows`, `exchanges`, `as_of` and `close`.
    exchanges
        MIC of the exchange of each ticker.
    as_of
        Last session of each window.
    close
        Close of that session as traded, not adjusted.
    target_sessions
        Horizon -> target session of each ticker, from the calendar of its exchange.
    windows
        float32 (tickers, lookback, features), unscaled and finite.
    data_fingerprint
        Fingerprint of the bars that the windows were computed from.
    skipped
        Ticker -> reason, for tickers without a complete window.
    prices
        Closes of the last sessions (tickers, sessions), see `forecasting.price_history`. None in a
        snapshot of an earlier Stockcast.
    names
        Ticker -> company name, where it is known.

    Raises
    ------
    SnapshotError
        When the fields contradict each other or `windows` is not finite.
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
    prices: NDArray[Any] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {
            "exchanges": len(self.exchanges),
            "as_of": len(self.as_of),
            "close": len(self.close),
            "windows": len(self.windows),
            **({} if self.prices is None else {"prices": len(self.prices)}),
            **{f"target_sessions[{h}]": len(s) for h, s in self.target_sessions.items()},
        }
        for name, length in lengths.items():
            if length != len(self.tickers):
                msg = (
                    f"`{name}` must have {len(self.tickers)} entries, one per ticker, got {length}."
                )
                raise SnapshotError(msg)
        if self.windows.ndim != 3 or self.windows.shape[2] != len(self.feature_names):  # noqa: PLR2004 - tickers, lookback, features
            msg = (
                f"`windows` must be (tickers, lookback, {len(self.feature_names)} features), "
                f"got shape {self.windows.shape}."
            )
            raise SnapshotError(msg)
        if not np.isfinite(self.windows).all():
            msg = "`windows` must be finite, got NaN or infinity; leave incomplete windows out."
            raise SnapshotError(msg)
        if self.prices is not None and (self.prices.dtype != PRICE or self.prices.ndim != 2):  # noqa: PLR2004 - tickers, sessions
            msg = f"`prices` must be (tickers, sessions) of {PRICE}, got {self.prices.dtype}."
            raise SnapshotError(msg)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content."""
        digest = hashlib.sha256(pack_index(self))
        digest.update(np.ascontiguousarray(self.windows, dtype="<f4").data)
        if self.prices is not None:
            digest.update(np.ascontiguousarray(self.prices).data.cast("B"))
        return digest.hexdigest()

    def release_pages(self) -> None:
        """Return the memory of mapped files to the system; the next read maps them again."""
        for array in (self.windows, self.prices):
            if isinstance(array, np.memmap):
                array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # noqa: SLF001


def write_snapshot(root: Path, snapshot: Snapshot) -> Path:
    """Publish `snapshot` and return its folder; do nothing if it is live already.

    The process may be killed at any time, and several processes may publish at once. Snapshots of
    the same feature hash are removed, except the live and the previous one. A reader that has
    mapped a removed snapshot can continue, because the operating system keeps mapped files.
    """
    versions = root / snapshot.feature_hash
    folder = versions / snapshot.fingerprint
    with locked(versions / LOCK):
        if snapshot_token(root, snapshot.feature_hash) == snapshot.fingerprint and _is_intact(
            folder
        ):
            return folder
        remove_temporary_files(versions)
        if not _is_intact(folder):
            shutil.rmtree(folder, ignore_errors=True)
            windows = np.ascontiguousarray(snapshot.windows, dtype="<f4")
            write_atomically(folder / WINDOWS, _npy_bytes(windows))
            if snapshot.prices is not None:
                write_atomically(folder / PRICES, _npy_bytes(snapshot.prices))
            write_atomically(folder / INDEX, pack_index(snapshot))
        previous = snapshot_token(root, snapshot.feature_hash)
        write_atomically(versions / CURRENT, snapshot.fingerprint.encode())
        _prune(versions, keep={snapshot.fingerprint, previous})
    return folder


def read_snapshot(root: Path, feature_hash: str) -> Snapshot:
    """Map the live snapshot of a feature hash into memory and verify it.

    Raises
    ------
    SnapshotError
        When there is no snapshot, or when it is damaged.
    """
    for _ in range(KEPT + 1):
        token = snapshot_token(root, feature_hash)
        if token is None:
            msg = (
                f"{root} has no snapshot of features {feature_hash[:12]}; run the pipeline "
                "(`stockcast run`), which publishes one after each ingest."
            )
            raise SnapshotError(msg)
        # If the folder was removed after the first read, a newer snapshot is live.
        with suppress(FileNotFoundError):
            return _read_folder(root / feature_hash / token)
    msg = f"Files of the live snapshot {token} under {root} are missing; run the pipeline."
    raise SnapshotError(msg)


def snapshot_token(root: Path, feature_hash: str) -> str | None:
    """Return the fingerprint of the live snapshot, or None. Cheap enough for polling."""
    try:
        return (root / feature_hash / CURRENT).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def _read_folder(folder: Path) -> Snapshot:
    try:
        index = json.loads((folder / INDEX).read_bytes())
        if "exchanges" not in index and "exchange" in index:
            raise _outdated(folder)
        snapshot = Snapshot(
            **unpack_index(index),
            windows=_map(folder / WINDOWS),
            prices=_map(folder / PRICES) if (folder / PRICES).exists() else None,
        )
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise _damaged(folder) from error
    if snapshot.fingerprint != folder.name:
        raise _damaged(folder)
    return snapshot


def _map(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _outdated(folder: Path) -> SnapshotError:
    return SnapshotError(
        f"Snapshot {folder} was written by an earlier Stockcast, with one calendar for all "
        "tickers; run the pipeline (`stockcast run`) to publish it again."
    )


def _damaged(folder: Path) -> SnapshotError:
    return SnapshotError(f"Snapshot {folder} is damaged; run the pipeline to publish it again.")


def _is_intact(folder: Path) -> bool:
    try:
        _read_folder(folder)
    except (SnapshotError, FileNotFoundError):
        return False
    return True


def _prune(versions: Path, keep: set[str | None]) -> None:
    for folder in versions.iterdir():
        if folder.is_dir() and folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
