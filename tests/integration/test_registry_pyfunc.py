"""A version is an MLflow model that can be loaded without Stockcast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.registry.candidates import candidate
from support.registry.databases import copy_empty_database

from forecasting.bundle.bundle import Bundle
from registry.promotion.aliases import promote
from registry.publishing.candidates import log_candidate
from registry.publishing.packaging import QUANTILES
from registry.versions import ModelRegistry

pytestmark = pytest.mark.integration

# `-I` excludes the working directory, the finder excludes the installed packages of Stockcast.
OUTSIDE = """
import sys

OURS = {"core", "market", "forecasting", "registry", "pipelines", "serving", "stockcast"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OURS:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
import json
import mlflow
import numpy as np

model = mlflow.pyfunc.load_model("models:/stockcast@champion")
windows = np.load(sys.argv[1])
example = model.input_example["window"]
print(json.dumps({
    "rows": model.predict({"window": windows}).to_dict("list"),
    "example": np.asarray(example).shape,
    "inputs": [spec.name for spec in model.metadata.signature.inputs.inputs],
    "outputs": [spec.name for spec in model.metadata.signature.outputs.inputs],
    "requirements": mlflow.pyfunc.get_model_dependencies("models:/stockcast@champion"),
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle, and a registry with this bundle as champion."""
    folder = tmp_path_factory.mktemp("champion")
    copy_empty_database(folder / "mlflow.db")
    registry = ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}", "stockcast")
    log_candidate(registry, candidate(folder))
    promote(registry, 1, "first", "ann")
    return folder


def test_the_model_forecasts_without_stockcast(folder: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(candidate(folder).bundle_dir)
    windows = bundle.golden.windows
    np.save(tmp_path / "windows.npy", windows)

    done = subprocess.run(
        [sys.executable, "-I", "-c", OUTSIDE, str(tmp_path / "windows.npy")],
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output_of_model = json.loads(done.stdout.splitlines()[-1])

    assert output_of_model["example"] == [1, *windows.shape[1:]]
    assert output_of_model["inputs"] == ["window"]
    assert output_of_model["outputs"] == list(output_of_model["rows"])
    requirements = Path(output_of_model["requirements"]).read_text()
    assert {line.partition("==")[0] for line in requirements.split()} == {
        "mlflow",
        "numpy",
        "onnxruntime",
        "pandas",
    }

    output = bundle.run(windows)
    rows = output_of_model["rows"]
    for i, (window, horizon) in enumerate(zip(rows["window"], rows["horizon"], strict=True)):
        expected = bundle.distribution(output, window, horizon)
        assert rows["mean"][i] == pytest.approx(expected.mean, abs=1e-7)
        assert rows["scale"][i] == pytest.approx(expected.scale, abs=1e-7)
        assert rows["probability_up"][i] == pytest.approx(expected.probability_up(), abs=1e-6)
        for name in QUANTILES:
            level = float(name.removeprefix("q")) / 100
            assert rows[name][i] == pytest.approx(expected.quantile(level), abs=1e-7)
    assert len(rows["mean"]) == len(windows) * len(bundle.manifest.horizons)


def test_reading_a_version_imports_only_the_small_client(folder: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from registry.versions import ModelRegistry
registry = ModelRegistry("sqlite:///{folder / "mlflow.db"}", "stockcast")
version = registry.alias_version("champion")
registry.download(version, Path({str(tmp_path / "live")!r}))
heavy = ("sklearn", "matplotlib", "mlflow.pyfunc", "tensorflow", "flask", "dagster")
print(version, [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1 []", done.stderr
