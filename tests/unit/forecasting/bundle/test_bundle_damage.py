from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forecasting.bundles import forge

from core.errors import BundleError
from forecasting.bundle.bundle import Bundle
from forecasting.bundle.files import SIZE_LIMITS, check_folder
from forecasting.bundle.manifest import GOLDEN_FILE, GRAPH_FILE, MANIFEST_FILE
from forecasting.horizons import HORIZONS

FILES = (GRAPH_FILE, GOLDEN_FILE, MANIFEST_FILE)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir())


# Damage


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_with_its_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} cannot be read \(No such file.*stockcast run"):
        Bundle.load(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        Bundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(folder: Path, name: str, kept: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        Bundle.load(folder)


def test_a_file_beyond_its_limit_is_not_read(folder: Path) -> None:
    os.truncate(folder / GRAPH_FILE, SIZE_LIMITS[GRAPH_FILE] + 1)
    with pytest.raises(BundleError, match="must have between 1 and 268435456 bytes"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_fifo_is_refused_without_waiting_for_its_writer(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(BundleError, match=rf"{name} must be a regular file"):
        Bundle.load(folder)


def test_an_endless_device_is_refused(folder: Path) -> None:
    (folder / GOLDEN_FILE).unlink()
    (folder / GOLDEN_FILE).symlink_to("/dev/zero")
    with pytest.raises(BundleError, match="must be a regular file"):
        Bundle.load(folder)


def test_a_folder_with_regular_files_may_be_copied(folder: Path, tmp_path: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "text").touch()
    check_folder(folder)
    check_folder(tmp_path / "nowhere")  # the copy reports that it is missing


@pytest.mark.parametrize("target", ["/dev/zero", "/dev", "missing"])
def test_a_folder_of_which_a_copy_would_not_end_is_refused(folder: Path, target: str) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "link").symlink_to(target)
    with pytest.raises(BundleError, match="inside/link must be a regular file"):
        check_folder(folder)


def test_a_file_too_large_to_copy_is_refused(folder: Path) -> None:
    with (folder / "huge").open("wb") as file:
        os.truncate(file.fileno(), SIZE_LIMITS[GRAPH_FILE] + 1)
    with pytest.raises(BundleError, match="huge must be a regular file of at most 268435456 bytes"):
        check_folder(folder)


def test_an_edited_manifest_is_refused(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(path.read_text().replace('"lookback": 20', '"lookback": 21'))
    with pytest.raises(BundleError, match="changed after it was written"):
        Bundle.load(folder)


@pytest.mark.parametrize("text", ["[]", "{", "null", '{"checksums": 3}', "[" * 100_000, "\xff"])
def test_a_file_that_is_not_a_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match="not a sealed manifest"):
        Bundle.load(folder)


@given(
    name=st.sampled_from(FILES), where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255)
)
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_is_detected_or_has_no_effect(
    written: Path, name: str, where: float, mask: int
) -> None:
    whole = contents(written)
    before = Bundle.load(written)
    changed = bytearray(whole[name])
    changed[int(where * len(changed))] ^= mask
    try:
        (written / name).write_bytes(changed)
        after = Bundle.load(written)
    except BundleError:
        return
    finally:
        (written / name).write_bytes(whole[name])
    assert after.manifest == before.manifest
    assert name == MANIFEST_FILE  # whitespace of the manifest; checksums cover all other bytes


# Changes with valid checksums


def test_wrong_golden_outputs_are_refused(folder: Path) -> None:
    bundle = Bundle.load(folder)
    moved = bundle.golden.output.mean + 2e-5 * bundle.golden.output.scale
    forge(folder, golden={"mean": moved})
    with pytest.raises(BundleError, match="golden vectors: `mean` differs by more than 1e-05"):
        Bundle.load(folder)


def test_the_rounding_of_another_processor_is_accepted(folder: Path) -> None:
    bundle = Bundle.load(folder)
    forge(folder, golden={"mean": bundle.golden.output.mean + 5e-6 * bundle.golden.output.scale})
    assert Bundle.load(folder).manifest.features == bundle.manifest.features


def test_a_pickle_in_the_golden_vectors_is_not_opened(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "opened"),)

    forge(folder, golden={"mean": np.array([Bomb()], dtype=object)})
    with pytest.raises(BundleError, match=r"golden\.npz cannot be read \(Object arrays"):
        Bundle.load(folder)
    assert not (folder / "opened").exists()


def test_compressed_golden_vectors_are_refused(folder: Path) -> None:
    np.savez_compressed(folder / GOLDEN_FILE, window=np.zeros((4000, 20, 30), np.float32))
    forge(folder)
    with pytest.raises(BundleError, match=r"golden\.npz must contain"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lookback": 19}, "`lookback` is 19 in the manifest and 20 in the graph"),
        ({"unknown": 1}, "unknown: Extra inputs are not permitted"),
        ({"schema_version": 1}, "`schema_version` of manifest.json must be 2, got 1"),
        ({"cutoff": "yesterday"}, "cutoff: Input should be a valid date"),
        ({"features": []}, "features: Tuple should have at least 1 item"),
        (
            {"mean_weights": {str(h): {"forest": 0.5, "lstm": 0.5} for h in HORIZONS}},
            "does not combine its members with `mean_weights` of the manifest",
        ),
    ],
)
def test_a_manifest_that_contradicts_the_graph_is_refused(
    folder: Path, changed: dict[str, object], message: str
) -> None:
    forge(folder, manifest=changed)
    with pytest.raises(BundleError, match=message):
        Bundle.load(folder)


def test_features_in_another_order_are_refused(folder: Path) -> None:
    names = json.loads((folder / MANIFEST_FILE).read_bytes())["features"]
    forge(folder, manifest={"features": names[::-1]})
    with pytest.raises(BundleError, match="graph against manifest"):
        Bundle.load(folder)
