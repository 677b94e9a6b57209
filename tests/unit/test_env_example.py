"""`.env.example` is complete and true: it names every setting, and its values are the defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.env_example import env_example

from core.settings import PREFIX, Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_the_example_says_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == env_example(), (
        "run `.venv/bin/python tests/support/env_example.py >.env.example`"
    )


def test_every_line_of_the_example_switched_on_changes_nothing(tmp_path: Path) -> None:
    switched_on = tmp_path / "env"
    switched_on.write_text(re.sub(r"^# (?=[A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))

    assert Settings(_env_file=switched_on) == Settings(_env_file=None)


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
