from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import clear_settings

from core.settings import load_settings
from registry.settings import RegistrySettings


def test_mlflow_uses_sqlite_under_the_home_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clear_settings(monkeypatch, tmp_path)

    uri = load_settings(RegistrySettings).tracking_uri

    assert uri == f"sqlite:///{tmp_path}/var/mlflow/mlflow.db"
