"""A `dagster.yaml` that a user wrote: the driver of PostgreSQL, and files that are not YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import PermanentError
from stockcast.cli.app import app
from stockcast.cli.dagster_instance import DAGSTER_YAML
from stockcast.cli.dagster_storage import check_storage
from stockcast.cli.processes.service_process import free_port

ADDRESS = "storage:\n  postgres:\n    postgres_url: {}\n"
FIELDS = "storage:\n  postgres:\n    postgres_db:\n      hostname: db\n      password: s3cret\n"
OLD_LAYOUT = """\
run_storage:
  module: dagster_postgres.run_storage
  class: PostgresRunStorage
  config:
    postgres_url: postgresql://me:s3cret@db/dagster
"""


def check(folder: Path, content: str) -> None:
    config = folder / "dagster.yaml"
    config.write_text(content)
    check_storage(config)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (ADDRESS.format("postgresql://me:s3cret@db/dagster"), "storage.postgres.postgres_url"),
        (ADDRESS.format("postgres://me:s3cret@db/dagster"), "storage.postgres.postgres_url"),
        (ADDRESS.format("postgresql+psycopg://me:s3cret@db/x"), "storage.postgres.postgres_url"),
        (ADDRESS.format("{ env: DAGSTER_DATABASE }"), "storage.postgres.postgres_url"),
        (FIELDS, "storage.postgres.postgres_db"),
        (OLD_LAYOUT, "run_storage.config.postgres_url"),
    ],
)
def test_a_postgresql_address_without_psycopg2_is_refused_with_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, place: str
) -> None:
    monkeypatch.setenv("DAGSTER_DATABASE", "postgresql://me:s3cret@db/dagster")

    with pytest.raises(PermanentError) as refused:
        check(tmp_path, content)

    message = str(refused.value)
    assert f"must name the PostgreSQL driver psycopg2 in `{place}`" in message
    assert "write postgresql+psycopg2://" in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    "content",
    [
        "",
        DAGSTER_YAML,
        ADDRESS.format("postgresql+psycopg2://me:s3cret@db/dagster"),
        ADDRESS.format("{ env: NOT_SET }"),
        f"{FIELDS}      scheme: postgresql+psycopg2\n",
        "storage:\n  mysql:\n    mysql_url: mysql+mysqlconnector://me@db/dagster\n",
        (Path(__file__).parents[4] / "deploy" / "dagster" / "dagster.yaml").read_text(),
    ],
)
def test_other_configurations_are_accepted(tmp_path: Path, content: str) -> None:
    check(tmp_path, content)


@pytest.mark.parametrize("command", ["run", "ingest", "up"])
@pytest.mark.parametrize("content", [ADDRESS.format("postgresql://me:s3cret@db/x"), "a: b: c"])
def test_a_command_reports_an_unusable_configuration_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, content: str
) -> None:
    for name in ("PORT", "DAGSTER_PORT", "MLFLOW_PORT"):
        monkeypatch.setenv(f"STOCKCAST_{name}", str(free_port()))
    config = tmp_path / "dagster" / "dagster.yaml"
    config.parent.mkdir()
    config.write_text(content)

    done = CliRunner().invoke(app, [command, "--home", str(tmp_path)])

    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: {config} ")
    assert "s3cret" not in line
