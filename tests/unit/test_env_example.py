"""`.env.example` names every setting with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.env_example import env_example

from core.settings import all_settings, variable_name

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SETTINGS = all_settings()


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS.model_fields:
        monkeypatch.delenv(variable_name(name), raising=False)


def test_the_example_follows_from_the_settings() -> None:
    assert EXAMPLE.read_text() == env_example(), (
        "run `.venv/bin/python tests/support/env_example.py >.env.example`"
    )


def test_uncommenting_every_line_of_the_example_keeps_the_defaults(tmp_path: Path) -> None:
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^# (?=[A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))

    assert SETTINGS(_env_file=uncommented) == SETTINGS(_env_file=None)


def test_every_setting_is_described() -> None:
    assert not [name for name, field in SETTINGS.model_fields.items() if not field.description]
