"""A version as a plain MLflow model: loadable where Stockcast is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.registry.candidates import candidate

from forecasting.bundle.bundle import Bundle
from registry.promotion.aliases import promote
from registry.publishing.candidates import log_candidate
from registry.publishing.packaging import QUANTILES
from registry.versions import ModelRegistry

pytestmark = pytest.mark.integration

# Without any of our packages: `-I` keeps the folder out, the finder keeps the installation out.
OUTSIDE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"market", "forecasting", "registry", "pipelines", "serving"}:
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
    """A folder with a bundle and a registry whose champion it is."""
    folder = tmp_path_factory.mktemp("champion")
    registry = ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}", "stockcast")
    log_candidate(registry, candidate(folder))
    promote(registry, 1, "first", "ann")
    return folder


def test_it_forecasts_where_stockcast_is_not_installed(folder: Path, tmp_path: Path) -> None:
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
    answer = json.loads(done.stdout.splitlines()[-1])

    assert answer["example"] == [1, *windows.shape[1:]]
    assert answer["inputs"] == ["window"]
    assert answer["outputs"] == list(answer["rows"])
    requirements = Path(answer["requirements"]).read_text()
    assert {line.partition("==")[0] for line in requirements.split()} == {
        "mlflow",
        "numpy",
        "onnxruntime",
        "pandas",
    }

    output = bundle.run(windows)
    rows = answer["rows"]
    for i, (window, horizon) in enumerate(zip(rows["window"], rows["horizon"], strict=True)):
        expected = bundle.distribution(output, window, horizon)
        assert rows["mean"][i] == pytest.approx(expected.mean, abs=1e-7)
        assert rows["scale"][i] == pytest.approx(expected.scale, abs=1e-7)
        assert rows["probability_up"][i] == pytest.approx(expected.probability_up(), abs=1e-6)
        for name in QUANTILES:
            level = float(name.removeprefix("q")) / 100
            assert rows[name][i] == pytest.approx(expected.quantile(level), abs=1e-7)
    assert len(rows["mean"]) == len(windows) * len(bundle.manifest.horizons)


def test_reading_a_version_needs_no_more_than_the_small_client(
    folder: Path, tmp_path: Path
) -> None:
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
