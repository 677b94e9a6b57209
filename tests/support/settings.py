"""An environment without settings, for tests of the settings themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import all_settings, variable_name


def clear_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Unset every variable of Stockcast and work in `folder`, where no `.env` is."""
    for name in all_settings().model_fields:
        monkeypatch.delenv(variable_name(name), raising=False)
    monkeypatch.chdir(folder)
