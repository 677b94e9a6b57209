"""Status and budgets of the price providers in `/health` and in the metrics."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.service_setup import NOW, ServiceSetup

from market.providers.alpha_vantage.tiers import key_budget
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.status import ProviderStatus
from market.quota.ledger import QuotaLedger
from serving.http.problems import Problem
from serving.observability.metrics import Metrics
from serving.routes.operation.health import read_health


def breakers_at(service: ServiceSetup, instant: datetime = NOW) -> CircuitBreakers:
    return CircuitBreakers(service.folder / "market.sqlite", MovingClock(instant))


def take_down(service: ServiceSetup, *names: str, hour: int = 11) -> None:
    breakers = breakers_at(service, NOW.replace(hour=hour, minute=30))
    for name in names:
        for _ in range(3):
            breakers.record_failure(name, f"{name} did not connect")


def test_before_the_first_provider_request_nothing_is_reported_and_no_file_is_created(
    service: ServiceSetup,
) -> None:
    service.go_live()
    health = read_health(service.state)
    assert (health["status"], health["providers"], health["quota"]) == ("healthy", [], [])
    assert not (service.folder / "market.sqlite").exists()


def test_one_provider_of_two_down_is_listed_and_is_no_issue(service: ServiceSetup) -> None:
    service.go_live()
    take_down(service, "alpha_vantage")
    breakers_at(service).record_success("yahoo")
    service.refresh()
    health = read_health(service.state)
    assert health["status"] == "healthy"
    first, second = health["providers"]
    assert (first["name"], first["reason"]) == ("alpha_vantage", "alpha_vantage did not connect")
    assert first["state"] != "closed"
    assert first["since"] == NOW.replace(hour=11, minute=30)
    assert (second["name"], second["state"]) == ("yahoo", "closed")
    assert second["last_success"] is not None


def test_with_all_providers_down_forecasts_stay_live_and_the_issue_has_the_age_of_the_bars(
    service: ServiceSetup,
) -> None:
    service.go_live()
    take_down(service, "alpha_vantage", hour=9)
    take_down(service, "yahoo", hour=10)
    service.refresh()
    health = read_health(service.state)
    assert health["status"] == "degraded"
    (issue,) = health["issues"]
    assert issue["topic"] == "providers"
    assert issue["detail"] == (
        "All price providers are down since 2013-03-04 10:30 UTC (alpha_vantage, yahoo)."
        " The forecasts use bars that are 0 sessions old."
    )
    assert service.live.require().table.forecast("AAPL", 1).data_age_sessions == 0

    service.clock.move_to(datetime(2013, 3, 4, 21, 0, tzinfo=UTC))
    service.refresh()
    (issue,) = read_health(service.state)["issues"]
    assert issue["detail"].endswith("The forecasts use bars that are 1 session old.")

    breakers_at(service).record_success("yahoo")
    service.refresh()
    assert read_health(service.state)["status"] == "healthy"


def test_providers_that_are_not_selected_do_not_count(service: ServiceSetup) -> None:
    service.go_live()
    take_down(service, "alpha_vantage", "stooq")
    service.refresh()
    health = read_health(service.state)
    assert health["status"] == "healthy"
    assert [state["name"] for state in health["providers"]] == ["alpha_vantage"]


def test_a_provider_outage_is_never_the_reason_for_missing_forecasts(
    service: ServiceSetup,
) -> None:
    take_down(service, "alpha_vantage", "yahoo")
    service.registry.down = "connection refused"
    service.refresh()
    service.registry.down = None
    service.refresh()
    assert next(iter(service.live.issues)) == "providers"
    with pytest.raises(Problem, match="No champion yet") as caught:
        service.live.require()
    assert caught.value.kind == "no-champion"


def test_the_budget_is_shown_without_the_key_and_its_digest(service: ServiceSetup) -> None:
    budget = key_budget("free", "demo-key")
    for purpose in ("ingest", "ingest", "quote"):
        ledger = QuotaLedger(service.folder / "market.sqlite", service.clock)
        with ledger.call(budget, purpose=purpose):
            service.clock.advance(seconds=30)
    service.refresh()
    health = read_health(service.state)
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


def test_a_damaged_database_is_an_issue_and_forecasts_stay_live(service: ServiceSetup) -> None:
    service.go_live()
    (service.folder / "market.sqlite").write_bytes(b"no database" * 100)
    service.refresh()
    (issue,) = read_health(service.state)["issues"]
    assert (issue["topic"], "is damaged" in issue["detail"]) == ("providers", True)
    assert service.live.version == 1


def test_metrics_have_labels_for_providers_and_windows_only(service: ServiceSetup) -> None:
    import prometheus_client  # noqa: PLC0415  # the service also imports it after its folder is set

    budget = key_budget("free", "demo-key")
    ledger = QuotaLedger(service.folder / "market.sqlite", service.clock)
    with ledger.call(budget, purpose="quote", ticker="AAPL"):
        pass
    take_down(service, "yahoo")
    Metrics().set_providers(ProviderStatus(service.settings, service.clock).read())

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
