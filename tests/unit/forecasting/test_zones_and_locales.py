"""Sessions, scores and files are the same in any time zone, language and encoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.programs import print_forecasts

TESTS = Path(print_forecasts.__file__).parents[2]
NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def output_in(**variables: str) -> dict[str, Any]:
    """Run the program in another environment, and return its output."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    result = subprocess.run(
        [sys.executable, print_forecasts.__file__],
        env={**os.environ, **variables, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    output: dict[str, Any] = json.loads(result.stdout)
    return output


@pytest.mark.slow
def test_no_number_depends_on_time_zone_or_locale() -> None:
    east = output_in(TZ="Pacific/Kiritimati", LC_ALL="C", LANG="de_DE", **NO_UTF8)
    west = output_in(TZ="America/Los_Angeles", LC_ALL="C.UTF-8", LANG="C.UTF-8")
    assert east["setting"]["zone"] == "+14"
    assert east["setting"]["encoding"] != west["setting"]["encoding"]
    assert east["report"] == west["report"]
    assert east["report"]["names"] == ["größe", "値"]
    assert east["report"]["targets"][0] > "2004-01-02"
