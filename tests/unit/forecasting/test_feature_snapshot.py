from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import SnapshotError
from forecasting import snapshot as module
from forecasting.price_history import PRICE
from forecasting.snapshot import Snapshot, read_snapshot, snapshot_token, write_snapshot

HASH = "ab" * 32


def make_snapshot(seed: int = 0) -> Snapshot:
    rng = np.random.default_rng(seed)
    return Snapshot(
        feature_hash=HASH,
        feature_names=("gap", "rsi_14", "ewma_volatility"),
        tickers=("AAPL", "IBM"),
        exchanges=("XNYS", "XNYS"),
        as_of=(date(2013, 3, 1), date(2013, 2, 28)),
        close=(430.47, 200.83 + seed),
        target_sessions={
            1: (date(2013, 3, 4), date(2013, 3, 1)),
            5: (date(2013, 3, 8), date(2013, 3, 7)),
        },
        windows=rng.standard_normal((2, 4, 3)).astype(np.float32),
        data_fingerprint="cd" * 32,
        skipped={"FB": "has 100 bars; a first window needs 149"},
        prices=make_prices(seed),
        names={"IBM": "International Business Machines"},
    )


def make_prices(seed: int) -> NDArray[Any]:
    prices = np.zeros((2, 5), PRICE)
    prices["session"] = range(15_000, 15_005)
    prices["close"] = 100 + seed
    return prices


def files_of(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_read_snapshot_equals_the_written_one(tmp_path: Path) -> None:
    written = make_snapshot()
    write_snapshot(tmp_path, written)
    read = read_snapshot(tmp_path, HASH)
    np.testing.assert_array_equal(read.windows, written.windows)
    np.testing.assert_array_equal(read.prices, written.prices)
    assert replace(read, windows=written.windows, prices=written.prices) == written
    assert read.fingerprint == written.fingerprint == snapshot_token(tmp_path, HASH)


def test_a_snapshot_without_prices_still_loads(tmp_path: Path) -> None:
    """Snapshots of an earlier Stockcast have none."""
    folder = write_snapshot(tmp_path, replace(make_snapshot(), prices=None))
    assert not (folder / "prices.npy").exists()
    assert read_snapshot(tmp_path, HASH).prices is None


def test_windows_are_mapped_not_copied(tmp_path: Path) -> None:
    write_snapshot(tmp_path, make_snapshot())
    read = read_snapshot(tmp_path, HASH)
    assert isinstance(read.windows, np.memmap)
    assert isinstance(read.prices, np.memmap)


def test_publishing_the_same_content_again_writes_nothing(tmp_path: Path) -> None:
    write_snapshot(tmp_path, make_snapshot())
    before = files_of(tmp_path)
    write_snapshot(tmp_path, make_snapshot())
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"close": (430.48, 200.83)},
        {"as_of": (date(2013, 2, 28), date(2013, 2, 28))},
        {"exchanges": ("XNYS", "XNAS")},
        {"skipped": {}},
        {"data_fingerprint": "ef" * 32},
        {"windows": make_snapshot(1).windows},
        {"prices": make_snapshot(1).prices},
        {"prices": None},
        {"names": {}},
    ],
)
def test_any_change_of_content_changes_the_fingerprint(change: dict[str, object]) -> None:
    snapshot = make_snapshot()
    assert replace(snapshot, **change).fingerprint != snapshot.fingerprint


def test_mapped_windows_stay_readable_after_their_files_are_removed(tmp_path: Path) -> None:
    first = write_snapshot(tmp_path, make_snapshot(0))
    mapped = read_snapshot(tmp_path, HASH)
    for seed in (1, 2, 3):
        write_snapshot(tmp_path, make_snapshot(seed))
    assert not first.exists()
    np.testing.assert_array_equal(mapped.windows, make_snapshot(0).windows)
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot(3).fingerprint


def test_released_pages_are_read_again(tmp_path: Path) -> None:
    written = make_snapshot()
    write_snapshot(tmp_path, written)
    read = read_snapshot(tmp_path, HASH)
    for snapshot in (read, written):
        snapshot.release_pages()  # arrays in memory have no pages of a file
        np.testing.assert_array_equal(snapshot.windows, make_snapshot().windows)


def test_the_live_and_the_previous_snapshot_are_kept(tmp_path: Path) -> None:
    for seed in range(4):
        write_snapshot(tmp_path, make_snapshot(seed))
    folders = {path.name for path in (tmp_path / HASH).iterdir() if path.is_dir()}
    assert folders == {make_snapshot(2).fingerprint, make_snapshot(3).fingerprint}


def test_an_earlier_snapshot_can_be_published_again(tmp_path: Path) -> None:
    for seed in (0, 1, 0):
        write_snapshot(tmp_path, make_snapshot(seed))
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot(0).fingerprint


@pytest.mark.parametrize("file", ["windows.npy", "prices.npy", "index.json", "current"])
def test_a_killed_writer_leaves_the_old_snapshot_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    write_snapshot(tmp_path, make_snapshot(0))
    real = module.write_atomically

    def killed_at_file(path: Path, content: bytes) -> None:
        if path.name == file:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(module, "write_atomically", killed_at_file)
    with pytest.raises(KeyboardInterrupt):
        write_snapshot(tmp_path, make_snapshot(1))
    monkeypatch.undo()
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot(0).fingerprint
    write_snapshot(tmp_path, make_snapshot(1))
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot(1).fingerprint


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_close(path: Path) -> None:
    index = json.loads(path.read_text())
    index["close"][0] = 1.0
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("windows.npy", flip_last_byte),
        ("windows.npy", lambda path: path.write_bytes(path.read_bytes()[:-9])),
        ("windows.npy", lambda path: path.write_bytes(b"")),
        ("prices.npy", flip_last_byte),
        ("prices.npy", lambda path: path.unlink()),
        ("index.json", change_close),
        ("index.json", lambda path: path.write_text("{")),
        ("index.json", lambda path: path.write_text("[]")),
    ],
    ids=[
        "flipped",
        "cut",
        "empty",
        "flipped-prices",
        "lost-prices",
        "edited",
        "no-json",
        "other-json",
    ],
)
def test_damage_is_detected_and_repaired_by_publishing_again(
    tmp_path: Path, file: str, damage: object
) -> None:
    folder = write_snapshot(tmp_path, make_snapshot())
    assert callable(damage)
    damage(folder / file)
    with pytest.raises(SnapshotError, match="damaged; run the pipeline"):
        read_snapshot(tmp_path, HASH)
    write_snapshot(tmp_path, make_snapshot())
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot().fingerprint


def test_a_snapshot_with_one_calendar_for_all_tickers_is_refused(
    tmp_path: Path,
) -> None:
    folder = write_snapshot(tmp_path, make_snapshot())
    index = json.loads((folder / "index.json").read_text())
    del index["exchanges"]
    (folder / "index.json").write_text(json.dumps(index | {"exchange": "XNYS"}))
    with pytest.raises(SnapshotError, match=r"earlier Stockcast.*run the pipeline"):
        read_snapshot(tmp_path, HASH)
    write_snapshot(tmp_path, make_snapshot())
    assert read_snapshot(tmp_path, HASH).exchanges == ("XNYS", "XNYS")


def test_a_reader_retries_when_its_snapshot_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(tmp_path, make_snapshot())
    tokens = iter(["0" * 64, make_snapshot().fingerprint])
    monkeypatch.setattr(module, "snapshot_token", lambda *_: next(tokens))
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot().fingerprint


def test_a_missing_snapshot_raises_with_the_fix(tmp_path: Path) -> None:
    assert snapshot_token(tmp_path, HASH) is None
    with pytest.raises(SnapshotError, match="run the pipeline"):
        read_snapshot(tmp_path, HASH)


def test_snapshots_of_other_features_are_independent(tmp_path: Path) -> None:
    other = replace(make_snapshot(5), feature_hash="ef" * 32)
    write_snapshot(tmp_path, make_snapshot())
    write_snapshot(tmp_path, other)
    assert read_snapshot(tmp_path, HASH).fingerprint == make_snapshot().fingerprint
    assert read_snapshot(tmp_path, other.feature_hash).fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"close": (1.0,)}, "`close`"),
        ({"exchanges": ("XNYS",)}, "`exchanges`"),
        ({"target_sessions": {1: ()}}, r"`target_sessions\[1\]`"),
        ({"windows": np.zeros((2, 4, 2), np.float32)}, "3 features"),
        ({"windows": np.full((2, 4, 3), np.nan, np.float32)}, "finite"),
        ({"prices": np.zeros((1, 5), PRICE)}, "`prices`"),
        ({"prices": np.zeros((2, 5), np.float32)}, "`prices` must be"),
    ],
)
def test_contradicting_fields_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        replace(make_snapshot(), **change)
