"""Addresses of pages in the MLflow UI."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings
from registry.pages import version_page
from registry.settings import RegistrySettings
from registry.versions import ModelRegistry

VERSION = "/#/models/stockcast/versions/3"


def page(home: Path, **settings: object) -> str | None:
    loaded = load_settings(RegistrySettings, home=home, **settings)
    return version_page(ModelRegistry.from_settings(loaded), 3)


def test_the_pages_of_a_home_are_those_of_stockcast_up(tmp_path: Path) -> None:
    assert page(tmp_path) == f"http://127.0.0.1:5000{VERSION}"
    assert page(tmp_path, mlflow_port=5005) == f"http://127.0.0.1:5005{VERSION}"


def test_the_pages_of_a_server_have_its_address_without_the_password(tmp_path: Path) -> None:
    address = "http://ann:pw@mlflow:5000/"

    assert page(tmp_path, mlflow_tracking_uri=address) == f"http://mlflow:5000{VERSION}"


def test_a_setting_replaces_the_address_of_a_server_that_browsers_cannot_reach(
    tmp_path: Path,
) -> None:
    settings = {
        "mlflow_tracking_uri": "http://mlflow:5000",
        "mlflow_ui_url": "https://models.example.com/",
    }

    assert page(tmp_path, **settings) == f"https://models.example.com{VERSION}"


def test_a_database_without_a_server_has_no_pages(tmp_path: Path) -> None:
    assert page(tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/other.db") is None


@pytest.mark.parametrize("address", ["models.example.com", "https://ann:pw@models.example.com"])
def test_an_address_without_scheme_or_with_a_password_is_refused(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_MLFLOW_UI_URL"):
        page(tmp_path, mlflow_ui_url=address)
