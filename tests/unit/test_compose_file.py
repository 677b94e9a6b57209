"""`docker-compose.yml` is valid, has safe defaults, and uses only files of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.services.compose import COMPOSE, DOCKERFILE, ROOT, image_environment, read_compose

from core.settings import PREFIX, all_settings, variable_name

SERVICES: dict[str, dict[str, Any]] = read_compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
MONITORING = {"prometheus", "grafana"}
PASSWORDS = ("POSTGRES_PASSWORD", "DAGSTER_PG_PASSWORD", "MLFLOW_PG_PASSWORD")
every_service = pytest.mark.parametrize("name", SERVICES)


def copied_from_the_repository() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_file_satisfies_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([checker, "--builtin-schema", "vendor.compose-spec", COMPOSE], check=True)


def test_the_services_of_production_are_complete() -> None:
    assert (
        set(SERVICES)
        == {
            "postgres",
            "mlflow",
            "dagster-code",
            "dagster-webserver",
            "dagster-daemon",
            "forecasts",
        }
        | MONITORING
    )


def test_monitoring_is_optional() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" in service} == MONITORING
    assert all(SERVICES[name]["profiles"] == ["monitoring"] for name in MONITORING)


@every_service
def test_a_service_has_restarts_a_health_check_and_resource_limits(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


@every_service
def test_a_service_has_no_unneeded_privileges(name: str) -> None:
    service = SERVICES[name]
    image_has_a_user = name in OURS

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert image_has_a_user or service["user"] in {"postgres", "65534:65534", "472:0"}


@every_service
def test_a_port_is_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("missing", PASSWORDS)
def test_the_error_for_a_missing_password_has_its_name(missing: str) -> None:
    given = {name: "s3cret" for name in PASSWORDS if name != missing}

    with pytest.raises(LookupError, match=missing):
        read_compose(given)


def test_the_file_contains_no_password() -> None:
    secrets = {
        (name, key): value
        for name, service in SERVICES.items()
        for key, value in service["environment"].items()
        if "PASSWORD" in key
    }

    assert secrets
    assert all(value.startswith("${") and ":?" in value for value in secrets.values())


def test_the_forecast_service_cannot_reach_the_database() -> None:
    connected = {
        name for name, service in SERVICES.items() if "database" in service.get("networks", [])
    }

    assert connected == set(SERVICES) - {"forecasts"} - MONITORING
    assert "POSTGRES_PASSWORD" not in SERVICES["forecasts"]["environment"]


def test_every_setting_is_passed_to_the_services() -> None:
    only_local = {"STOCKCAST_DAGSTER_PORT", "STOCKCAST_MLFLOW_PORT"}
    expected = set(map(variable_name, all_settings().model_fields)) - only_local
    address = {"STOCKCAST_HOST", "STOCKCAST_PORT"}

    def settings(name: str) -> set[str]:
        return {key for key in SERVICES[name]["environment"] if key.startswith(PREFIX)}

    assert settings("forecasts") == expected
    assert settings("dagster-code") == expected - address


@pytest.mark.parametrize("name", OURS)
def test_an_image_is_a_target_of_the_dockerfile(name: str) -> None:
    build = OURS[name]["build"]

    assert (ROOT / build["context"] / build["dockerfile"]) == DOCKERFILE
    assert re.search(rf"^FROM base AS {build['target']}$", DOCKERFILE.read_text(), re.MULTILINE)


def test_every_file_of_the_services_exists() -> None:
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    in_the_image = re.findall(r"/opt/stockcast/([\w./-]+)", COMPOSE.read_text())

    assert mounted
    assert in_the_image
    assert all((ROOT / path).exists() for path in mounted)
    assert all((ROOT / "deploy" / path).exists() for path in in_the_image)
    assert image_environment()["DAGSTER_HOME"] == "/opt/stockcast/dagster"


def test_copied_files_exist_and_are_sent_to_the_builder() -> None:
    sent = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]

    for source in copied_from_the_repository():
        assert (ROOT / source).exists(), source
        assert any(source == entry or source.startswith(f"{entry}/") for entry in sent), source


def test_every_package_of_the_wheel_is_copied_into_the_image_that_builds_it() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        targets = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]
    packages = set(targets["wheel"]["packages"])
    assert packages == {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(copied_from_the_repository())
    assert packages <= {name.removeprefix("/") for name in targets["sdist"]["include"]}


def test_an_image_runs_as_an_unprivileged_user() -> None:
    last_stages = DOCKERFILE.read_text().split("\nFROM base AS ")[1:]

    for stage in (s for s in last_stages if s.startswith(("pipelines\n", "serving\n"))):
        assert stage.count("USER stockcast") == 1
