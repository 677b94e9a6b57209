"""A real service and its price providers: quotes, provider status and budgets."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.alpha_vantage.emulator import FREE_KEY, AlphaVantageEmulator
from support.market.bars import sample_bars
from support.services.external import free_port
from support.services.monitoring import named_metrics
from support.serving.homes import TICKERS, TestHome, shared_home
from support.serving.servers import Server, module_command, run_server, wait_until

from core.clock import SystemClock
from market.providers.failover.circuit_breaker import CircuitBreakers

pytestmark = [pytest.mark.integration, pytest.mark.in_order]


@pytest.fixture(scope="module")
def alpha_vantage() -> Iterator[AlphaVantageEmulator]:
    with AlphaVantageEmulator(sample_bars("AAPL", "MSFT"), SystemClock()) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    # A copy, because provider records must not appear in tests that share the home.
    shared = shared_home(tmp_path_factory.getbasetemp())
    path = tmp_path_factory.mktemp("providers") / "home"
    return TestHome(shutil.copytree(shared.path, path))


@pytest.fixture(scope="module")
def server(
    home: TestHome, alpha_vantage: AlphaVantageEmulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    settings = {
        "provider": "alpha_vantage",
        "backups": "yahoo",
        "tickers": ",".join(TICKERS),
        "alpha_vantage_key": FREE_KEY,
        "alpha_vantage_url": alpha_vantage.url,
        "yahoo_url": f"http://127.0.0.1:{free_port()}",  # no server listens there
    }
    folder = tmp_path_factory.mktemp("service")
    with run_server(module_command, home.path, folder, **settings) as server:
        yield server


def database(home: TestHome) -> Path:
    return home.path / "market.sqlite"


def test_before_any_call_no_provider_is_reported(home: TestHome, server: Server) -> None:
    health = server.get("/health").json()
    assert (health["status"], health["providers"], health["quota"]) == ("healthy", [], [])
    assert not database(home).exists()


def test_a_price_costs_one_call_that_health_and_metrics_count(
    server: Server, alpha_vantage: AlphaVantageEmulator
) -> None:
    response = server.get("/quote/aapl")
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["ticker"], body["price"], body["source"]) == ("AAPL", 430.47, "alpha_vantage")
    assert body["session"] == "2013-03-01"
    assert server.get("/quote/AAPL").json()["price"] == 430.47
    assert [call.function for call in alpha_vantage.calls] == ["GLOBAL_QUOTE"]

    def left_today() -> list[int]:
        return [quota["left_today"] for quota in server.get("/health").json()["quota"]]

    wait_until(lambda: 24 in left_today(), 10, server)
    health = server.get("/health").json()
    assert health["quota"][0]["made_today"] == 1
    assert health["providers"][0]["state"] == "closed"
    made = 'stockcast_quota_calls{kind="made",provider="alpha_vantage",window="day"} 1.0'
    wait_until(lambda: made in server.get("/metrics").text, 10, server)
    assert 'route="/quote/{ticker}",status="200"' in server.get("/metrics").text


def test_an_unknown_ticker_costs_no_call(
    server: Server, alpha_vantage: AlphaVantageEmulator
) -> None:
    before = len(alpha_vantage.calls)
    assert server.get("/quote/APPL").json()["similar"] == ["AAPL"]
    assert len(alpha_vantage.calls) == before


def test_with_both_providers_down_forecasts_stay_live_and_state_their_age(
    home: TestHome, server: Server, alpha_vantage: AlphaVantageEmulator
) -> None:
    with alpha_vantage.closed():
        response = server.get("/quote/MSFT")
    assert response.status_code == 503, response.text
    assert response.json()["last_close_session"] == "2013-03-01"
    assert response.json()["last_close"] == server.get("/predict/MSFT").json()["current_price"]

    breakers = CircuitBreakers(database(home))
    for name in ("alpha_vantage", "yahoo"):
        for _ in range(3):
            breakers.record_failure(name, f"{name} did not respond.")
    wait_until(lambda: server.get("/health").json()["status"] == "degraded", 10, server)
    health = server.get("/health").json()
    (issue,) = health["issues"]
    age = health["data_age_sessions"]
    assert issue["detail"].startswith("All price providers are down since ")
    assert issue["detail"].endswith(f"The forecasts use bars that are {age} sessions old.")
    assert [state["state"] for state in health["providers"]] == ["open", "open"]
    for ticker in TICKERS:
        forecast = server.get(f"/predict/{ticker}", horizon="1m")
        assert forecast.status_code == 200
        assert forecast.json()["data_age_sessions"] == age > 3_000
    up = 'stockcast_provider_up{provider="yahoo"} 0.0'
    wait_until(lambda: up in server.get("/metrics").text, 10, server)


def test_no_response_and_no_log_contains_the_key(server: Server) -> None:
    for path in ("/health", "/models/status", "/metrics", "/quote/MSFT"):
        assert FREE_KEY not in server.get(path).text
    log = server.log.read_text()
    assert FREE_KEY not in log
    assert "Traceback" not in log


def test_metrics_contain_every_metric_of_the_dashboard_and_the_alerts(server: Server) -> None:
    assert server.get("/predict/AAPL").status_code == 200

    def missing() -> set[str]:
        exported = set(re.findall(r"^(\w+)[ {]", server.get("/metrics").text, re.MULTILINE))
        return named_metrics() - exported

    wait_until(lambda: not missing(), 20, server)
