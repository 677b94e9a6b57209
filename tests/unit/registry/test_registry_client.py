"""Opening the registry: addresses, secrets, time-outs and imports."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from support.services.external import free_port

from core.errors import RegistryDownError, RegistryError
from registry.addresses import redacted, sqlite_file
from registry.client import MLFLOW_DEFAULTS, make_client
from registry.pages import version_page
from registry.settings import RegistrySettings
from registry.versions import ModelRegistry

SECRET = "s3cr%40t"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MLFLOW_DEFAULTS:
        monkeypatch.delenv(name, raising=False)


def test_importing_the_registry_imports_no_heavy_library() -> None:
    code = (
        "import registry.promotion.aliases, registry.versions, registry.promotion.gates, sys\n"
        "heavy = {'mlflow', 'onnxruntime', 'pandas', 'polars', 'sqlalchemy', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("address", ["file:///tmp/mlruns", "./mlruns", "databricks", "ftp://x"])
def test_an_unsupported_address_is_rejected_with_the_supported_schemes(address: str) -> None:
    with pytest.raises(RegistryError, match=r"must start with one of http://.*sqlite:////folder"):
        make_client(address)


def test_reading_a_missing_registry_creates_no_file(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}", "stockcast")
    assert registry.alias_version("champion") is None
    assert registry.list() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_version_is_named_with_the_command_that_registers_one(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", "stockcast")
    with pytest.raises(RegistryError, match=r"no alias 'champion'.*`stockcast run`"):
        registry.get("champion")


def test_a_file_that_is_no_database_is_rejected_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database" * 100)
    started = time.monotonic()
    with pytest.raises(RegistryError, match="not a database"):
        make_client(f"sqlite:///{path}")
    assert time.monotonic() - started < 10


def test_a_database_of_another_mlflow_is_a_permanent_error_with_the_command(tmp_path: Path) -> None:
    make_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    # A copy, because MLflow checks an address once per process.
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "old.db")
    address = f"sqlite:///{tmp_path / 'old.db'}"
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'")
        database.commit()

    with pytest.raises(RegistryError, match=f"run: mlflow db upgrade {address}") as refused:
        make_client(address)

    assert "found version acf3f17fdcc7" in str(refused.value)
    assert "Try again" not in str(refused.value)


def test_an_unreachable_database_is_reported_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(RegistryDownError, match="Connection refused"):
        make_client(f"postgresql://ann:{SECRET}@127.0.0.1:{free_port()}/x")
    assert time.monotonic() - started < 10


def test_an_unreachable_server_is_reported_within_seconds() -> None:
    registry = ModelRegistry(f"http://127.0.0.1:{free_port()}", "stockcast")
    registry.client.tracking_uri  # noqa: B018  the import of MLflow is not timed
    started = time.monotonic()
    with pytest.raises(RegistryDownError, match="STOCKCAST_MLFLOW_TRACKING_URI"):
        registry.alias_version("champion")
    assert time.monotonic() - started < 8


def test_variables_of_mlflow_that_are_set_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    make_client(f"http://127.0.0.1:{free_port()}")
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_password_is_never_shown(
    scheme: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    registry = ModelRegistry(f"{scheme}://ann:{SECRET}@127.0.0.1:{free_port()}/x", "stockcast")
    with pytest.raises(RegistryDownError) as caught:
        registry.alias_version("champion")
    seen = "".join(traceback.format_exception(caught.value)) + repr(registry) + registry.address
    seen += str(version_page(registry, 1)) + caplog.text + "".join(capfd.readouterr())
    assert "127.0.0.1" in seen
    assert SECRET not in seen
    assert "s3cr@t" not in seen


def test_a_password_is_hidden_encoded_and_decoded() -> None:
    address = "http://ann:p%40ss@host:5000"
    assert redacted("no way to http://ann:p@ss@host:5000/api", address) == (
        "no way to http://***@host:5000/api"
    )
    assert redacted("password 'p@ss' refused", address) == "password '***' refused"
    assert redacted("http://host:5000/a@b", address) == "http://host:5000/a@b"


def test_the_file_of_a_sqlite_address() -> None:
    assert sqlite_file("sqlite:////srv/mlflow.db") == Path("/srv/mlflow.db")
    assert sqlite_file("sqlite:///mlflow.db") == Path.cwd() / "mlflow.db"
    assert sqlite_file("http://host") is None


def test_the_registry_is_made_from_the_settings(tmp_path: Path) -> None:
    settings = RegistrySettings(home=tmp_path, model_name="mine", _env_file=None)
    registry = ModelRegistry.from_settings(settings)
    assert registry.name == "mine"
    assert registry.tracking_uri == f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    assert registry.artifact_root == tmp_path / "mlflow" / "artifacts"
