from __future__ import annotations

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.forecasting.bundles import tiny_bundle, tiny_graph, tiny_manifest, tiny_windows

from core.errors import BundleError, ForecastError
from forecasting.bundle.bundle import Bundle, write_bundle
from forecasting.bundle.graph import GraphLayout
from forecasting.bundle.manifest import GOLDEN_FILE, GRAPH_FILE, MANIFEST_FILE
from forecasting.horizons import HORIZONS

FILES = (GRAPH_FILE, GOLDEN_FILE, MANIFEST_FILE)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir())


# Writing and reading


def test_a_loaded_bundle_equals_the_written_one(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    again = Bundle.load(tmp_path / "bundle")
    assert again.manifest == bundle.manifest
    assert again.fingerprint == bundle.fingerprint
    windows = tiny_windows(bundle.graph.layout, n=7, seed=9)
    np.testing.assert_array_equal(again.run(windows).mean, bundle.run(windows).mean)


def test_the_time_of_writing_does_not_change_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_bundle(tmp_path / "one")
    later = time.time() + 86_400 * 400
    monkeypatch.setattr(time, "time", lambda: later)
    tiny_bundle(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_other_models_and_manifests_have_other_fingerprints(tmp_path: Path) -> None:
    one = tiny_bundle(tmp_path / "one")
    two = tiny_bundle(tmp_path / "two", seed=1)
    three = tiny_bundle(tmp_path / "three", name="other")
    assert len({one.fingerprint, two.fingerprint, three.fingerprint}) == 3


def test_writing_replaces_an_existing_bundle(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    second = tiny_bundle(tmp_path / "bundle", seed=1)
    assert Bundle.load(tmp_path / "bundle").fingerprint == second.fingerprint
    assert folders(tmp_path) == ["bundle"]


def test_a_failed_write_keeps_the_existing_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny_bundle(tmp_path / "bundle")
    rename = Path.rename

    def fail_for_the_staged_folder(self: Path, target: Path) -> Path:
        if self.name == ".bundle.staged":
            msg = "disk full"
            raise OSError(msg)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_staged_folder)
    with pytest.raises(OSError, match="disk full"):
        tiny_bundle(tmp_path / "bundle", seed=1)
    assert Bundle.load(tmp_path / "bundle").fingerprint == first.fingerprint
    assert folders(tmp_path) == ["bundle"]


@pytest.mark.parametrize("renamed", [False, True])
def test_the_folders_of_a_killed_writer_are_removed_by_the_next(
    tmp_path: Path, *, renamed: bool
) -> None:
    tiny_bundle(tmp_path / "bundle")
    (tmp_path / ".bundle.staged").mkdir()
    (tmp_path / ".bundle.staged" / GRAPH_FILE).write_bytes(b"half")
    if renamed:
        (tmp_path / "bundle").rename(tmp_path / ".bundle.old")
    second = tiny_bundle(tmp_path / "bundle", seed=1)
    assert Bundle.load(tmp_path / "bundle").fingerprint == second.fingerprint
    assert folders(tmp_path) == ["bundle"]


def test_contradicting_parts_are_not_written(tmp_path: Path) -> None:
    layout = GraphLayout(("a", "ewma_volatility"), 20, HORIZONS, ("forest", "lstm"))
    graph = tiny_graph(layout).SerializeToString()
    manifest = tiny_manifest(features=("ewma_volatility", "a"))
    with pytest.raises(BundleError, match=r"graph against manifest.*`features`"):
        write_bundle(tmp_path / "bundle", graph, manifest, tiny_windows(layout, n=2))
    assert folders(tmp_path) == []


def test_a_bundle_runs_without_the_libraries_of_training(written: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from forecasting.bundle.bundle import Bundle;"
        "b = Bundle.load(Path(sys.argv[1])); b.run(b.golden.windows);"
        "print(sorted({'onnx', 'sklearn', 'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(written)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


# Running


def test_a_batch_has_the_forecasts_of_its_single_windows(written: Path) -> None:
    bundle = Bundle.load(written)
    windows = tiny_windows(bundle.graph.layout, n=50, seed=2)
    together = bundle.run(windows)
    single = np.concatenate([bundle.run(windows[i : i + 1]).scale for i in range(50)])
    np.testing.assert_allclose(together.scale, single, rtol=1e-6)
    assert together.mean.shape == (50, 3)
    assert together.member_mean.shape == (50, 2, 3)


def test_threads_share_a_bundle(written: Path) -> None:
    bundle = Bundle.load(written)
    windows = tiny_windows(bundle.graph.layout, n=200, seed=3)
    expected = bundle.run(windows).mean
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda i: bundle.run(windows[i : i + 1]).mean[0], range(200)))
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-8)


def test_a_loaded_bundle_does_not_need_its_folder(folder: Path) -> None:
    bundle = Bundle.load(folder)
    shutil.rmtree(folder)
    assert np.isfinite(bundle.run(bundle.golden.windows).mean).all()


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_a_missing_value_is_refused_with_its_position(written: Path, missing: float) -> None:
    bundle = Bundle.load(written)
    windows = bundle.golden.windows.copy()
    windows[2, 4, 1] = missing
    name = bundle.manifest.features[1]
    with pytest.raises(ForecastError, match=f"row 2, session 4, feature '{name}'"):
        bundle.run(windows)


def test_a_window_without_volatility_is_refused(written: Path) -> None:
    bundle = Bundle.load(written)
    windows = bundle.golden.windows.copy()
    windows[1, :, bundle.manifest.features.index("ewma_volatility")] = 0
    with pytest.raises(ForecastError, match=r"rows \[1\].*positive scale"):
        bundle.run(windows)


@pytest.mark.parametrize(
    ("shape", "kind"), [((2, 19, 0), "f4"), ((2, 20, 3), "f4"), ((20, 0), "f4"), ((2, 20, 0), "f8")]
)
def test_windows_of_another_shape_or_type_are_refused(
    written: Path, shape: tuple[int, ...], kind: str
) -> None:
    bundle = Bundle.load(written)
    sizes = [size or len(bundle.manifest.features) for size in shape]
    with pytest.raises(ForecastError, match=r"`windows` must be float32 of shape \(n, 20, "):
        bundle.run(np.ones(sizes, kind))


def test_an_empty_batch_is_refused(written: Path) -> None:
    bundle = Bundle.load(written)
    with pytest.raises(ForecastError, match="at least one window"):
        bundle.run(bundle.golden.windows[:0])


def test_a_distribution_combines_forecast_and_conformal_quantiles(tmp_path: Path) -> None:
    ramp = {h: tuple(np.linspace(-h, 2 * h, 199).tolist()) for h in HORIZONS}
    bundle = tiny_bundle(tmp_path / "bundle", conformal_quantiles=ramp)
    output = bundle.run(bundle.golden.windows)
    distribution = bundle.distribution(output, 3, 5)
    mean, scale = float(output.mean[3, 1]), float(output.scale[3, 1])
    assert distribution.quantile(0.5) == pytest.approx(mean + 2.5 * scale)
    assert distribution.interval(0.99) == pytest.approx((mean - 5 * scale, mean + 10 * scale))


def test_an_unknown_horizon_is_refused_with_the_known_ones(written: Path) -> None:
    bundle = Bundle.load(written)
    with pytest.raises(ForecastError, match="one of 1, 5, 21 sessions, got 2"):
        bundle.distribution(bundle.golden.output, 0, 2)
