"""Opening the registry: addresses, secrets, time-outs, and what is not imported."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from support.services.external import free_port

from core.errors import RegistryDownError, RegistryError
from registry.client import MLFLOW_DEFAULTS, make_client, redacted, sqlite_file
from registry.settings import RegistrySettings
from registry.versions import ModelRegistry

SECRET = "s3cr%40t"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MLFLOW_DEFAULTS:
        monkeypatch.delenv(name, raising=False)


def test_importing_the_registry_imports_nothing_heavy() -> None:
    code = (
        "import registry.promotion.aliases, registry.versions, registry.promotion.gates, sys\n"
        "heavy = {'mlflow', 'onnxruntime', 'pandas', 'polars', 'sqlalchemy', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("address", ["file:///tmp/mlruns", "./mlruns", "databricks", "ftp://x"])
def test_an_address_that_cannot_work_is_refused_with_those_that_can(address: str) -> None:
    with pytest.raises(RegistryError, match=r"must start with one of http://.*sqlite:////folder"):
        make_client(address)


def test_only_looking_at_a_registry_that_does_not_exist_makes_no_file(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}", "stockcast")
    assert registry.alias_version("champion") is None
    assert registry.list() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_does_not_exist_is_named_with_the_way_out(tmp_path: Path) -> None:
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", "stockcast")
    with pytest.raises(RegistryError, match=r"no alias 'champion'.*`stockcast run`"):
        registry.get("champion")


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database" * 100)
    started = time.monotonic()
    with pytest.raises(RegistryError, match="not a database"):
        make_client(f"sqlite:///{path}")
    assert time.monotonic() - started < 10


def test_a_database_that_does_not_answer_is_down_and_is_noticed_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(RegistryDownError, match="Connection refused"):
        make_client(f"postgresql://ann:{SECRET}@127.0.0.1:{free_port()}/x")
    assert time.monotonic() - started < 10


def test_a_server_that_does_not_answer_is_noticed_within_seconds() -> None:
    registry = ModelRegistry(f"http://127.0.0.1:{free_port()}", "stockcast")
    registry.client.tracking_uri  # noqa: B018  importing MLflow is not what is timed
    started = time.monotonic()
    with pytest.raises(RegistryDownError, match="STOCKCAST_MLFLOW_TRACKING_URI"):
        registry.alias_version("champion")
    assert time.monotonic() - started < 8


def test_what_somebody_set_for_mlflow_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    make_client(f"http://127.0.0.1:{free_port()}")
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_password_shows_up_nowhere(
    scheme: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    registry = ModelRegistry(f"{scheme}://ann:{SECRET}@127.0.0.1:{free_port()}/x", "stockcast")
    with pytest.raises(RegistryDownError) as caught:
        registry.alias_version("champion")
    seen = "".join(traceback.format_exception(caught.value)) + repr(registry) + registry.address
    seen += str(registry.page(1)) + caplog.text + "".join(capfd.readouterr())
    assert "127.0.0.1" in seen
    assert SECRET not in seen
    assert "s3cr@t" not in seen


def test_a_secret_is_hidden_however_a_library_spells_it() -> None:
    address = "http://ann:p%40ss@host:5000"
    assert redacted("no way to http://ann:p@ss@host:5000/api", address) == (
        "no way to http://***@host:5000/api"
    )
    assert redacted("password 'p@ss' refused", address) == "password '***' refused"
    assert redacted("http://host:5000/a@b", address) == "http://host:5000/a@b"


def test_a_sqlite_address_gives_its_file() -> None:
    assert sqlite_file("sqlite:////srv/mlflow.db") == Path("/srv/mlflow.db")
    assert sqlite_file("sqlite:///mlflow.db") == Path.cwd() / "mlflow.db"
    assert sqlite_file("http://host") is None


def test_the_settings_name_the_registry(tmp_path: Path) -> None:
    settings = RegistrySettings(home=tmp_path, model_name="mine", _env_file=None)
    registry = ModelRegistry.from_settings(settings)
    assert registry.name == "mine"
    assert registry.tracking_uri == f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    assert registry.artifact_root == tmp_path / "mlflow" / "artifacts"


def test_the_page_of_a_version_is_linked_where_there_is_a_server() -> None:
    registry = ModelRegistry("http://ann:pw@mlflow:5000/", "stockcast")
    assert registry.page(3) == "http://mlflow:5000/#/models/stockcast/versions/3"
    assert ModelRegistry("sqlite:////srv/m.db", "stockcast").page(3) is None
