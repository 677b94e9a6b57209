"""The branch coverage of `make test` counts every process that ends, however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RECORDING = Path(__file__).parents[1] / "support" / "branch_coverage"
ENDS = {
    "return": "",
    "error": "raise SystemExit(3)",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "multiprocessing": (
        "import multiprocessing as m, importlib; c = m.get_context('spawn');"
        "p = c.Process(target=importlib.import_module, args=('core.clock',)); p.start(); p.join()"
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_process_leaves_its_coverage_in_any_working_directory(tmp_path: Path, end: str) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(RECORDING),
        "BRANCH_COVERAGE_FOLDER": str(tmp_path),
    }
    program = f"import core.tickers\n{ENDS[end]}"

    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False)

    ran = {
        name: found["executed_lines"]
        for path in tmp_path.glob("*.json")
        for name, found in json.loads(path.read_text()).items()
    }
    assert ran["core/tickers.py"]
    assert ("core/clock.py" in ran) == (end == "multiprocessing")
