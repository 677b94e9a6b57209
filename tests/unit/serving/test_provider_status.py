"""What `/health` and the metrics log_event of the providers of prices, read from the home's file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.desks import Bench
from support.moving_clock import MovingClock

from market.providers.alpha_vantage.tiers import budget_of
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.quota.ledger import QuotaLedger
from serving.http.problems import Problem
from serving.observability.metrics import Metrics
from serving.provider_status import PriceFeed
from serving.routes.health import read_health

START = datetime(2013, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def go_down(bench: Bench, *names: str, hour: int = 11) -> None:
    health = CircuitBreakers(
        bench.folder / "market.sqlite", MovingClock(START.replace(hour=hour, minute=30))
    )
    for name in names:
        for _ in range(3):
            health.failed(name, f"{name} did not connect")


def test_where_no_provider_was_ever_asked_nothing_is_said_and_no_file_is_made(
    bench: Bench,
) -> None:
    bench.go_live()
    health = read_health(bench.desk, bench.now)
    assert (health["status"], health["providers"], health["quota"]) == ("ok", [], [])
    assert not (bench.folder / "market.sqlite").exists()


def test_one_provider_of_two_down_is_listed_and_is_no_trouble(bench: Bench) -> None:
    bench.go_live()
    go_down(bench, "alpha_vantage")
    CircuitBreakers(bench.folder / "market.sqlite").succeeded("yahoo")
    bench.watch.refresh()
    health = read_health(bench.desk, bench.now)
    assert health["status"] == "ok"
    first, second = health["providers"]
    assert (first["name"], first["reason"]) == ("alpha_vantage", "alpha_vantage did not connect")
    assert first["state"] != "closed"
    assert first["since"] == START.replace(hour=11, minute=30)
    assert (second["name"], second["state"]) == ("yahoo", "closed")
    assert second["last_success"] is not None


def test_with_all_providers_down_forecasts_go_on_and_health_says_how_old_they_are(
    bench: Bench,
) -> None:
    bench.go_live()
    go_down(bench, "alpha_vantage", hour=9)
    go_down(bench, "yahoo", hour=10)
    bench.watch.refresh()
    health = read_health(bench.desk, bench.now)
    assert health["status"] == "degraded"
    (trouble,) = health["troubles"]
    assert trouble["detail"] == (
        "No provider of prices answers since 2013-03-04 10:30 UTC (alpha_vantage, yahoo); "
        "forecasts go on from bars 0 sessions old."
    )
    assert bench.desk.require().book.forecast("AAPL", 1).data_age_sessions == 0

    bench.now = datetime(2013, 3, 4, 21, 0, tzinfo=UTC)
    bench.watch.refresh()
    (trouble,) = read_health(bench.desk, bench.now)["troubles"]
    assert trouble["detail"].endswith("forecasts go on from bars 1 session old.")

    CircuitBreakers(bench.folder / "market.sqlite").succeeded("yahoo")
    bench.watch.refresh()
    assert read_health(bench.desk, bench.now)["status"] == "ok"


def test_providers_that_are_not_configured_do_not_count(bench: Bench) -> None:
    bench.go_live()
    go_down(bench, "alpha_vantage", "stooq")
    bench.watch.refresh()
    health = read_health(bench.desk, bench.now)
    assert health["status"] == "ok"
    assert [state["name"] for state in health["providers"]] == ["alpha_vantage"]


def test_providers_that_are_down_are_never_the_reason_why_there_is_no_forecast(
    bench: Bench,
) -> None:
    go_down(bench, "alpha_vantage", "yahoo")
    bench.registry.down = "connection refused"
    bench.watch.refresh()
    bench.registry.down = None
    bench.watch.refresh()
    assert next(iter(bench.desk.troubles)) == "prices"
    with pytest.raises(Problem, match="No champion yet") as caught:
        bench.desk.require()
    assert caught.value.kind == "no-champion"


def test_the_budget_is_shown_without_the_key_or_its_digest(bench: Bench) -> None:
    budget = budget_of("free", "demo-key")
    clock = MovingClock(START)
    for purpose in ("ingest", "ingest", "quote"):
        with QuotaLedger(bench.folder / "market.sqlite", clock).call(budget, purpose=purpose):
            clock.advance(seconds=30)
    bench.desk.prices = PriceFeed(bench.settings, clock).look()
    health = read_health(bench.desk, bench.now)
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


def test_a_damaged_file_is_a_trouble_and_forecasts_go_on(bench: Bench) -> None:
    bench.go_live()
    (bench.folder / "market.sqlite").write_bytes(b"no database" * 100)
    bench.watch.refresh()
    (trouble,) = read_health(bench.desk, bench.now)["troubles"]
    assert (trouble["topic"], "is damaged" in trouble["detail"]) == ("prices", True)
    bench.publish()
    assert bench.live_version == 1


def test_metrics_have_a_label_for_providers_and_windows_alone(bench: Bench) -> None:
    import prometheus_client  # noqa: PLC0415  as the service does, after its folder is set

    budget = budget_of("free", "demo-key")
    with QuotaLedger(bench.folder / "market.sqlite").call(budget, purpose="quote", ticker="AAPL"):
        pass
    go_down(bench, "yahoo")
    Metrics().prices(PriceFeed(bench.settings).look())

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
