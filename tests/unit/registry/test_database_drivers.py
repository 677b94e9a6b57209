"""No PostgreSQL address of Stockcast lets SQLAlchemy choose psycopg 3."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import make_url
from support.services.compose import COMPOSE, ROOT

from core.errors import RegistryError, SettingsError
from core.settings import load_settings
from registry.addresses import scheme_of, with_driver
from registry.settings import RegistrySettings

SHIPPED = [COMPOSE, *sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]


def driver_of(address: str) -> str:
    return make_url(address).get_dialect().driver


def test_sqlalchemy_chooses_psycopg_3_without_a_driver() -> None:
    assert driver_of("postgresql://ann@db/mlflow") == "psycopg"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_postgresql_address_never_means_psycopg_3(scheme: str, tmp_path: Path) -> None:
    address = f"{scheme}://ann:s3cr%40t@db:5432/mlflow?sslmode=require"
    settings = load_settings(RegistrySettings, home=tmp_path, mlflow_tracking_uri=address)

    assert settings.tracking_uri == with_driver(address)
    assert driver_of(settings.tracking_uri) == "psycopg2"
    assert settings.tracking_uri.endswith("://ann:s3cr%40t@db:5432/mlflow?sslmode=require")
    assert scheme_of(address) == "postgresql"


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_another_driver_is_refused_with_the_one_to_use(driver: str, tmp_path: Path) -> None:
    address = f"postgresql+{driver}://ann:s3cret@db/mlflow"

    with pytest.raises(RegistryError, match=r"use postgresql\+psycopg2://"):
        with_driver(address)
    with pytest.raises(SettingsError, match=r"use postgresql\+psycopg2://") as caught:
        load_settings(RegistrySettings, home=tmp_path, mlflow_tracking_uri=address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("address", ["sqlite:////srv/mlflow.db", "http://h:5000", "mysql://h/m"])
def test_other_addresses_are_not_changed(address: str) -> None:
    assert with_driver(address) == address


def test_dagster_in_production_uses_psycopg2() -> None:
    instance = yaml.safe_load((ROOT / "deploy" / "dagster" / "dagster.yaml").read_text())
    config = instance["storage"]["postgres"]
    values = {k: v if isinstance(v, str) else "1" for k, v in config["postgres_db"].items()}

    assert driver_of(pg_url_from_config({"postgres_db": values})) == "psycopg2"


def test_every_shipped_address_names_psycopg2() -> None:
    addresses = [
        address
        for path in SHIPPED
        for address in re.findall(r"postgres[\w+]*://", path.read_text())
    ]

    assert addresses
    assert set(addresses) == {"postgresql+psycopg2://"}
