"""The services of `docker-compose.yml`, run natively on free ports and in new databases."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from support.forecasting.bundles import tiny_bundle
from support.registry.candidates import candidate
from support.services.compose import ROOT, Natively, NativeService, read_compose, stop
from support.services.external import free_port, require_postgres
from support.serving.homes import LOOKBACK, NAME, sample_snapshot

from forecasting.snapshot import write_snapshot
from market.store import BarStore
from registry.promotion.aliases import promote
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.in_order,
    pytest.mark.timeout(420),
]

START_SECONDS = 240.0
SWAP_SECONDS = 30.0
RUN_SECONDS = 120.0
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PORTS = (3000, 3001, 4000, 5000)
OURS = ("mlflow", "dagster-code", "dagster-webserver", "dagster-daemon", "forecasts")


@dataclass(frozen=True)
class Databases:
    """Two databases and their owners, with names that are unique to this run."""

    server: str
    dagster: str
    mlflow: str

    @classmethod
    def make(cls, server: str) -> Databases:
        """Create them with the script that the PostgreSQL container runs on an empty volume."""
        mark = uuid.uuid4().hex[:8]
        made = cls(server, f"stockcast_dagster_{mark}", f"stockcast_mlflow_{mark}")
        at = urlsplit(server)
        # The script must quote any password.
        variables = {
            "PGHOST": str(at.hostname),
            "PGPORT": str(at.port),
            "PGUSER": str(at.username),
            "DAGSTER_PG_DB": made.dagster,
            "DAGSTER_PG_PASSWORD": "it's a $ecret",
            "MLFLOW_PG_DB": made.mlflow,
            "MLFLOW_PG_PASSWORD": 'another "one"',
        }
        script = ROOT / "deploy" / "postgres" / "init.sh"
        subprocess.run([script], env={**os.environ, **variables}, check=True)
        return made

    def tables(self, name: str) -> set[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        with psycopg2.connect(f"{self.server}/{name}") as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return {table for (table,) in cursor.fetchall()}

    def owner(self, name: str) -> str:
        query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
        with psycopg2.connect(f"{self.server}/postgres") as connection:
            cursor = connection.cursor()
            cursor.execute(query, (name,))
            return str(cursor.fetchall()[0][0])

    def drop(self) -> None:
        connection = psycopg2.connect(f"{self.server}/postgres")
        connection.autocommit = True
        cursor = connection.cursor()
        for name in (self.dagster, self.mlflow):
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            cursor.execute(f'DROP ROLE IF EXISTS "{name}"')
        connection.close()


@dataclass(frozen=True)
class Production:
    """The running services."""

    folder: Path
    databases: Databases
    ports: dict[int, int]
    services: dict[str, NativeService]
    healthy_after: dict[str, float] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def address(self, container_port: int) -> str:
        return f"http://127.0.0.1:{self.ports[container_port]}"

    def request(self, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Return status and content of a response of the forecast service."""
        data = None if body is None else json.dumps(body).encode()
        http_request = urllib.request.Request(
            self.address(3000) + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(http_request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def request_until(
        self,
        enough: Callable[[int, dict[str, Any]], bool],
        path: str,
        body: object = None,
    ) -> tuple[int, dict[str, Any]]:
        """Repeat the request until `enough` accepts the response or `SWAP_SECONDS` have passed."""
        deadline = time.monotonic() + SWAP_SECONDS
        status, answer = self.request(path, body)
        while not enough(status, answer) and time.monotonic() < deadline:
            time.sleep(0.5)
            status, answer = self.request(path, body)
        return status, answer

    def graphql(self, query: str) -> dict[str, Any]:
        """Send `query` to Dagster's web server and return its only field."""
        request = urllib.request.Request(
            f"{self.address(3001)}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            (content,) = json.load(answer)["data"].values()
        return dict(content)


def natively(folder: Path, databases: Databases, ports: dict[int, int]) -> Natively:
    at = urlsplit(databases.server)
    server = f"{at.hostname}:{at.port}"
    return Natively(
        values={
            "postgres": str(at.hostname),
            "5432": str(at.port),
            "dagster": databases.dagster,
            "dagster-code": "127.0.0.1",
        },
        texts={
            "mlflow@postgres:5432/mlflow": f"{databases.mlflow}@{server}/{databases.mlflow}",
            "http://mlflow:": "http://127.0.0.1:",
            "0.0.0.0": "127.0.0.1",
            "/opt/stockcast": str(ROOT / "deploy"),
            "/srv/stockcast": str(folder / "home"),
            "/srv/artifacts": str(folder / "artifacts"),
            "/srv/bars": str(folder / "bars"),
        },
        ports=ports,
    )


def wait_until_healthy(production: Production, running: dict[str, subprocess.Popen[bytes]]) -> None:
    started = time.monotonic()
    waiting = dict.fromkeys(running, "not checked yet")
    while waiting and time.monotonic() < started + START_SECONDS:
        for name in list(waiting):
            service = production.services[name]
            if (code := running[name].poll()) is not None:
                pytest.fail(f"{name} ended with {code}:\n{service.log_end(production.folder)}")
            problem = service.problem()
            if problem is None:
                del waiting[name]
                production.healthy_after[name] = time.monotonic() - started
            else:
                waiting[name] = problem
        time.sleep(1)
    for name, problem in waiting.items():
        log = production.services[name].log_end(production.folder)
        pytest.fail(f"{name} is not healthy: {problem}\n{log}")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    databases = Databases.make(require_postgres())
    ports = {port: free_port() for port in PORTS}
    passwords = dict.fromkeys(
        ("POSTGRES_PASSWORD", "DAGSTER_PG_PASSWORD", "MLFLOW_PG_PASSWORD"), "s3cret"
    )
    definitions = read_compose(passwords)["services"]
    here = natively(folder, databases, ports)
    services = {name: NativeService(name, definitions[name], here) for name in OURS}
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, service in services.items():
            running[name] = service.start(folder)
        started = Production(folder, databases, ports, services)
        wait_until_healthy(started, running)
        yield started
    finally:
        stop(running.values())
        databases.drop()


def test_every_service_passes_its_own_health_check(production: Production) -> None:
    assert set(production.healthy_after) == set(OURS)
    assert max(production.healthy_after.values()) < START_SECONDS


def test_dagster_and_mlflow_use_separate_databases(
    production: Production,
) -> None:
    databases = production.databases

    assert {"runs", "event_logs", "jobs"} <= databases.tables(databases.dagster)
    assert {"experiments", "registered_models"} <= databases.tables(databases.mlflow)
    assert databases.owner(databases.dagster) == databases.dagster
    assert databases.owner(databases.mlflow) == databases.mlflow


def test_mlflow_refuses_requests_for_another_host(production: Production) -> None:
    def status(host: str) -> int:
        url = f"{production.address(5000)}/api/2.0/mlflow/experiments/get?experiment_id=0"
        request = urllib.request.Request(url, headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("mlflow:5000") == 200
    assert status("elsewhere.example") == 403


def test_a_forecast_before_the_first_champion_is_refused_with_the_fix(
    production: Production,
) -> None:
    # The service may still wait for its next request to the registry, which started later.
    status, answer = production.request_until(
        lambda _, answer: "champion" in str(answer["type"]), "/predict", {"ticker": "AAPL"}
    )

    assert status == 503
    assert "stockcast run" in str(answer["detail"])


def test_a_queued_run_is_executed_and_stores_its_bars_on_the_volume(
    production: Production,
) -> None:
    where = 'repositoryName: "__repository__", repositoryLocationName: "stockcast"'
    added = production.graphql(f"""mutation {{ addDynamicPartition(
        repositorySelector: {{ {where} }}, partitionsDefName: "tickers", partitionKey: "IBM"
    ) {{ __typename }} }}""")
    launched = production.graphql(f"""mutation {{ launchRun(executionParams: {{
        selector: {{ {where}, jobName: "ingest_job" }}, runConfigData: "{{}}",
        executionMetadata: {{ tags: [{{ key: "dagster/partition", value: "IBM" }}] }}
    }}) {{ __typename ... on LaunchRunSuccess {{ run {{ runId }} }} }} }}""")
    assert added["__typename"] == "AddDynamicPartitionSuccess"
    assert launched["__typename"] == "LaunchRunSuccess"

    query = f'{{ runOrError(runId: "{launched["run"]["runId"]}") {{ ... on Run {{ status }} }} }}'
    deadline = time.monotonic() + RUN_SECONDS
    while (status := production.graphql(query)["status"]) not in ENDED:
        assert time.monotonic() < deadline, f"the run is still {status}"
        time.sleep(1)

    assert status == "SUCCESS"
    assert BarStore(production.home / "bars").tickers() == ("IBM",)


def test_a_version_promoted_over_http_is_served(production: Production, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle-1", seed=1, lookback=LOOKBACK)
    write_snapshot(production.home / "snapshot", sample_snapshot())
    registry = ModelRegistry(production.address(5000), NAME)
    version = log_candidate(registry, candidate(tmp_path, seed=1)).version
    promote(registry, version, "the production column is tested", actor="test")

    status, answer = production.request_until(lambda status, _: status == 200, "/predict/AAPL")

    assert status == 200, answer
    assert answer["model"]["version"] == version
    assert list((production.folder / "artifacts").rglob("ensemble.onnx"))
