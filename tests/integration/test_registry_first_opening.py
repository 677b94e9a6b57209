"""Processes that open a new registry at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from registry.client import make_client
print(len(make_client(sys.argv[1]).search_registered_models()))
"""


def test_processes_that_open_a_new_registry_together_all_find_it_complete(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    opening = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, uri],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in opening:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.strip()) == (0, "0"), err
