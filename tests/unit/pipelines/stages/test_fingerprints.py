"""Equal ingredients have equal fingerprints, and an edit of the code is never overlooked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from support.serving.servers import ROOT

from pipelines.stages.fingerprints import CODE_PACKAGES, code_version, fingerprint

ASK = "from pipelines.stages.fingerprints import code_version; print(code_version())"


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": [1]}, {"b": 1}, {}])
def test_any_other_ingredient_has_another_fingerprint(other: dict[str, object]) -> None:
    assert fingerprint(other) != fingerprint({"a": 1})


def test_dates_may_be_among_the_ingredients() -> None:
    assert fingerprint({"as_of": date(2013, 3, 1)}) != fingerprint({"as_of": date(2013, 3, 4)})


@pytest.mark.parametrize("edited", [*CODE_PACKAGES, None])
def test_an_edit_of_any_package_that_computes_changes_the_code_version(
    tmp_path: Path, edited: str | None
) -> None:
    for package in ("market", "forecasting", "pipelines"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    if edited is not None:
        with (tmp_path / edited.replace(".", "/") / "__init__.py").open("a") as source:
            source.write("# edited\n")

    command = [sys.executable, "-c", ASK]
    asked = subprocess.run(
        command, cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )

    assert (asked.stdout.strip() == code_version()) is (edited is None)
