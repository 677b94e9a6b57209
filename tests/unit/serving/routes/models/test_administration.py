"""Administration: who may use it, loaded versions, and the start of a training run."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import httpx
import pytest
from support.serving.homes import sample_snapshot
from support.serving.in_process import key_headers, request
from support.serving.service_setup import ServiceSetup

from serving.dagster_client import DagsterClient

ROUTES = ["/models/2/load", "/models/2/unload", "/models/retrain", "/model/retrain/AAPL"]


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("path", ROUTES)
def test_administration_needs_a_key_with_its_scope_even_on_loopback(
    service: ServiceSetup, path: str, prefix: str
) -> None:
    service.go_live()
    service.register(2)
    none = request(service, "POST", prefix + path)
    assert (none.status_code, none.json()["code"]) == (401, "key-required")
    read = request(service, "POST", prefix + path, headers=key_headers(service, "read"))
    assert (read.status_code, read.json()["code"]) == (403, "scope-required")
    assert service.state.loaded.all == []


def test_a_loaded_version_forecasts_beside_the_champion(service: ServiceSetup) -> None:
    service.go_live()
    second = service.register(2)
    admin = key_headers(service, "admin")
    before = request(service, "GET", f"/predict/AAPL?version={second}")
    assert (before.status_code, before.json()["code"]) == (404, "version-not-loaded")

    loaded = request(service, "POST", f"/models/{second}/load", headers=admin)
    assert (loaded.status_code, loaded.json()["version"]) == (200, second)
    forecast = request(service, "GET", f"/predict/aapl?version={second}&horizon=1w").json()
    champion = request(service, "GET", "/predict/AAPL?horizon=1w").json()
    assert (forecast["model"]["version"], champion["model"]["version"]) == (2, 1)
    assert forecast["prediction"] != champion["prediction"]
    status = request(service, "GET", "/models/status").json()
    assert [entry["version"] for entry in status["loaded"]] == [second]

    assert request(service, "POST", f"/models/{second}/unload", headers=admin).status_code == 204
    again = request(service, "POST", f"/models/{second}/unload", headers=admin)
    assert (again.status_code, again.json()["code"]) == (404, "version-not-loaded")


def test_the_version_in_a_query_may_be_the_live_one(service: ServiceSetup) -> None:
    service.go_live()
    explicit = request(service, "GET", "/predict/AAPL?version=1")
    assert explicit.json() == request(service, "GET", "/predict/AAPL").json()


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ("1", 409, "version-is-live"),
        ("9", 404, "unknown-version"),
        ("x", 422, "invalid-request"),
        ("0", 422, "invalid-request"),
        ("9" * 40, 422, "invalid-request"),
    ],
)
def test_a_version_that_cannot_be_loaded_is_a_problem(
    service: ServiceSetup, version: str, status: int, code: str
) -> None:
    service.go_live()
    admin = key_headers(service, "admin")
    response = request(service, "POST", f"/models/{version}/load", headers=admin)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_number_of_loaded_versions_is_bounded(service: ServiceSetup) -> None:
    service.go_live()
    admin = key_headers(service, "admin")
    for seed in (2, 3, 4):
        service.register(seed)
    responses = [request(service, "POST", f"/models/{v}/load", headers=admin) for v in (2, 2, 3, 4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 409]
    assert responses[-1].json()["code"] == "too-many-versions"


def test_a_loaded_version_follows_the_snapshot(service: ServiceSetup) -> None:
    service.go_live()
    service.register(2)
    service.state.loaded.load(2)
    newer = replace(sample_snapshot(), close=tuple(2 * c for c in sample_snapshot().close))
    service.publish(newer)
    assert service.state.loaded.table(2).rows["AAPL"].close == 2 * 430.47


def test_without_the_address_of_dagster_a_retraining_names_the_setting(
    service: ServiceSetup,
) -> None:
    response = request(service, "POST", "/models/retrain", headers=key_headers(service, "admin"))
    assert (response.status_code, response.json()["code"]) == (409, "dagster-not-configured")
    assert "STOCKCAST_DAGSTER_URL" in response.json()["detail"]


def respond_as_dagster(sent: httpx.Request) -> httpx.Response:
    if b"FindJob" in sent.content:
        repository = {"name": "r", "location": {"name": "l"}, "jobs": [{"name": "training_job"}]}
        data: dict[str, Any] = {"repositoriesOrError": {"nodes": [repository]}}
    else:
        tags = sent.content.decode()
        assert "stockcast/ticker" in tags
        assert "key:" in tags
        run = {"runId": "abc", "status": "QUEUED"}
        data = {"launchRun": {"__typename": "LaunchRunSuccess", "run": run}}
    return httpx.Response(200, json={"data": data})


def test_a_started_run_is_linked_and_tagged_with_the_ticker_and_the_key(
    service: ServiceSetup,
) -> None:
    service.go_live()
    dagster = DagsterClient("http://dagster", httpx.MockTransport(respond_as_dagster))
    service.state = dataclasses.replace(service.state, dagster=dagster)
    admin = key_headers(service, "admin")
    response = request(service, "POST", "/model/retrain/aapl", headers=admin)
    assert response.status_code == 202
    assert response.json() == {
        "job": "training_job",
        "run_id": "abc",
        "status": "QUEUED",
        "url": "http://dagster/runs/abc",
        "ticker": "AAPL",
    }
    unknown = request(service, "POST", "/model/retrain/NOPE", headers=admin)
    assert unknown.status_code == 404
