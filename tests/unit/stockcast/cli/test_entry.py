"""The entry point of `stockcast`: Ctrl-C while modules are imported."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"
PROGRAM = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from stockcast.cli.entry import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "rich", "pydantic"])
def test_ctrl_c_during_an_import_ends_in_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_the_command_uses_the_entry_point() -> None:
    scripts = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]

    assert scripts["stockcast"] == "stockcast.cli.entry:main"
