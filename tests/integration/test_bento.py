"""`bentoml build`: the bento serves forecasts without the packages of the pipelines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.serving.homes import shared_home
from support.serving.servers import ROOT, run_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]
BENTOML = str(Path(sys.executable).with_name("bentoml"))
SERVING_ONLY = ROOT / "tests" / "support" / "programs" / "serving_only"


def test_a_built_bento_serves_without_the_packages_of_the_pipelines(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = _not_in_the_serving_lock()
    assert {"dagster", "tensorflow", "sklearn", "evidently", "matplotlib"} <= hidden
    bento = _build(tmp_path)
    home = shared_home(tmp_path_factory.getbasetemp())
    monkeypatch.setenv("PYTHONPATH", str(SERVING_ONLY))
    monkeypatch.setenv("HIDDEN_MODULES", ",".join(hidden))
    monkeypatch.setenv("HIDDEN_FOLDER", str(ROOT))

    def serve(port: int) -> list[str]:
        return [BENTOML, "serve", str(bento), "--port", str(port)]

    with run_server(serve, home.path, tmp_path / "server") as server:
        forecast = server.get("/predict/AAPL", horizon="1w")

    assert forecast.status_code == 200, forecast.text
    assert forecast.json()["model"]["version"] == 1


def _build(folder: Path) -> Path:
    """Build the bento of the repository, and return its folder."""
    home = folder / "bentoml"
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(
        [BENTOML, "build", "--version", "test", "--output", "tag"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home / "bentos" / "stockcast" / "test"


def _not_in_the_serving_lock() -> set[str]:
    """Return the top-level modules of installed packages that the serving lock does not name."""
    lock = (ROOT / "requirements" / "serving.txt").read_text()
    locked = {_normalized(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    return {
        module
        for module, distributions in packages_distributions().items()
        if not {_normalized(name) for name in distributions} & locked
    } - {"core", "market", "forecasting", "registry", "serving", "pipelines", "stockcast"}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
