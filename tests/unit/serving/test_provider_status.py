"""The status of providers, from the quota ledger and the circuit breakers, under a test clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.refresher_setup import RefresherSetup

from market.providers.alpha_vantage.tiers import key_budget
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.quota.ledger import QuotaLedger
from serving.http.problems import Problem
from serving.observability.metrics import Metrics
from serving.provider_status import PriceFeed
from serving.routes.health import read_health

START = datetime(2013, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def setup(tmp_path: Path) -> RefresherSetup:
    return RefresherSetup(tmp_path)


def go_down(setup: RefresherSetup, *names: str, hour: int = 11) -> None:
    health = CircuitBreakers(
        setup.folder / "market.sqlite", MovingClock(START.replace(hour=hour, minute=30))
    )
    for name in names:
        for _ in range(3):
            health.record_failure(name, f"{name} did not connect")


def test_where_no_provider_was_ever_asked_nothing_is_said_and_no_file_is_made(
    setup: RefresherSetup,
) -> None:
    setup.go_live()
    health = read_health(setup.desk, setup.now)
    assert (health["status"], health["providers"], health["quota"]) == ("ok", [], [])
    assert not (setup.folder / "market.sqlite").exists()


def test_one_provider_of_two_down_is_listed_and_is_no_trouble(setup: RefresherSetup) -> None:
    setup.go_live()
    go_down(setup, "alpha_vantage")
    CircuitBreakers(setup.folder / "market.sqlite").record_success("yahoo")
    setup.watch.refresh()
    health = read_health(setup.desk, setup.now)
    assert health["status"] == "ok"
    first, second = health["providers"]
    assert (first["name"], first["reason"]) == ("alpha_vantage", "alpha_vantage did not connect")
    assert first["state"] != "closed"
    assert first["since"] == START.replace(hour=11, minute=30)
    assert (second["name"], second["state"]) == ("yahoo", "closed")
    assert second["last_success"] is not None


def test_with_all_providers_down_forecasts_go_on_and_health_says_how_old_they_are(
    setup: RefresherSetup,
) -> None:
    setup.go_live()
    go_down(setup, "alpha_vantage", hour=9)
    go_down(setup, "yahoo", hour=10)
    setup.watch.refresh()
    health = read_health(setup.desk, setup.now)
    assert health["status"] == "degraded"
    (trouble,) = health["troubles"]
    assert trouble["detail"] == (
        "No provider of prices answers since 2013-03-04 10:30 UTC (alpha_vantage, yahoo); "
        "forecasts go on from bars 0 sessions old."
    )
    assert setup.desk.require().book.forecast("AAPL", 1).data_age_sessions == 0

    setup.now = datetime(2013, 3, 4, 21, 0, tzinfo=UTC)
    setup.watch.refresh()
    (trouble,) = read_health(setup.desk, setup.now)["troubles"]
    assert trouble["detail"].endswith("forecasts go on from bars 1 session old.")

    CircuitBreakers(setup.folder / "market.sqlite").record_success("yahoo")
    setup.watch.refresh()
    assert read_health(setup.desk, setup.now)["status"] == "ok"


def test_providers_that_are_not_configured_do_not_count(setup: RefresherSetup) -> None:
    setup.go_live()
    go_down(setup, "alpha_vantage", "stooq")
    setup.watch.refresh()
    health = read_health(setup.desk, setup.now)
    assert health["status"] == "ok"
    assert [state["name"] for state in health["providers"]] == ["alpha_vantage"]


def test_providers_that_are_down_are_never_the_reason_why_there_is_no_forecast(
    setup: RefresherSetup,
) -> None:
    go_down(setup, "alpha_vantage", "yahoo")
    setup.registry.down = "connection refused"
    setup.watch.refresh()
    setup.registry.down = None
    setup.watch.refresh()
    assert next(iter(setup.desk.troubles)) == "prices"
    with pytest.raises(Problem, match="No champion yet") as caught:
        setup.desk.require()
    assert caught.value.kind == "no-champion"


def test_the_budget_is_shown_without_the_key_or_its_digest(setup: RefresherSetup) -> None:
    budget = key_budget("free", "demo-key")
    clock = MovingClock(START)
    for purpose in ("ingest", "ingest", "quote"):
        with QuotaLedger(setup.folder / "market.sqlite", clock).call(budget, purpose=purpose):
            clock.advance(seconds=30)
    setup.desk.prices = PriceFeed(setup.settings, clock).look()
    health = read_health(setup.desk, setup.now)
    assert health["quota"][0] == {
        "provider": "alpha_vantage",
        "made_today": 3,
        "per_day": 25,
        "left_today": 22,
        "renews_at": datetime(2013, 3, 5, 5, 0, tzinfo=UTC),
    }
    assert health["quota"][1]["provider"] == "yahoo"
    assert health["quota"][1]["left_today"] is None
    assert "demo-key" not in str(health)
    assert budget.account not in str(health)


def test_a_damaged_file_is_a_trouble_and_forecasts_go_on(setup: RefresherSetup) -> None:
    setup.go_live()
    (setup.folder / "market.sqlite").write_bytes(b"no database" * 100)
    setup.watch.refresh()
    (trouble,) = read_health(setup.desk, setup.now)["troubles"]
    assert (trouble["topic"], "is damaged" in trouble["detail"]) == ("prices", True)
    setup.publish()
    assert setup.live_version == 1


def test_metrics_have_a_label_for_providers_and_windows_alone(setup: RefresherSetup) -> None:
    import prometheus_client  # noqa: PLC0415  as the service does, after its folder is set

    budget = key_budget("free", "demo-key")
    with QuotaLedger(setup.folder / "market.sqlite").call(budget, purpose="quote", ticker="AAPL"):
        pass
    go_down(setup, "yahoo")
    Metrics().prices(PriceFeed(setup.settings).look())

    def value(name: str, **labels: str) -> float | None:
        return prometheus_client.REGISTRY.get_sample_value(name, labels)

    calls = "stockcast_quota_calls"
    assert value("stockcast_provider_up", provider="yahoo") == 0
    assert value(calls, provider="alpha_vantage", window="day", kind="made") == 1
    assert value(calls, provider="alpha_vantage", window="day", kind="limit") == 25
    assert value(calls, provider="alpha_vantage", window="minute", kind="made") == 1
    assert value(calls, provider="alpha_vantage", window="minute", kind="limit") == 5
    assert value(calls, provider="yahoo", window="minute", kind="limit") == 30
    assert value(calls, provider="yahoo", window="day", kind="limit") is None
    assert "AAPL" not in prometheus_client.generate_latest().decode()
