"""Health of dependencies, the service at a glance, and its progress after a start."""

from __future__ import annotations

from importlib.metadata import version

from support.serving.homes import TICKERS
from support.serving.service_setup import NOW, ServiceSetup

from serving.http.schemas.health import Health
from serving.routes.operation.health import read_health
from serving.routes.operation.service_status import describe_service, describe_warmup


def statuses(service: ServiceSetup) -> dict[str, str]:
    health = Health.model_validate(read_health(service.state))
    return {name: dependency.status for name, dependency in health.dependencies.items()}


def test_every_dependency_is_listed_and_healthy_without_issues(service: ServiceSetup) -> None:
    service.go_live()
    assert statuses(service) == dict.fromkeys(
        ["champion", "registry", "snapshot", "data", "providers", "refresh"], "healthy"
    )


def test_a_needed_dependency_is_unhealthy_only_while_nothing_is_live(service: ServiceSetup) -> None:
    service.refresh()
    assert statuses(service)["champion"] == "unhealthy"
    service.go_live()
    service.registry.down = "refused"
    service.refresh()
    health = Health.model_validate(read_health(service.state))
    assert (health.status, health.registry) == ("degraded", "down")
    assert health.dependencies["registry"].status == "degraded"
    assert "refused" in (health.dependencies["registry"].detail or "")


def test_an_issue_of_a_new_kind_is_a_dependency_too(service: ServiceSetup) -> None:
    service.go_live()
    service.live.report_issue("redis", "Redis does not respond.")
    assert statuses(service)["redis"] == "degraded"


def test_the_status_states_version_uptime_and_live_model(service: ServiceSetup) -> None:
    service.go_live()
    service.clock.advance(seconds=90)
    status = describe_service(service.state)
    assert (status.version, status.started_at) == (version("stockcast"), NOW)
    assert (status.uptime_seconds, status.model_version) == (90, 1)
    assert (status.tickers, status.live_since) == (len(TICKERS), NOW)


def test_the_warmup_names_the_missing_step_and_its_reason(service: ServiceSetup) -> None:
    assert describe_warmup(service.live).progress == 0
    service.refresh()
    warmup = describe_warmup(service.live)
    assert [step.name for step in warmup.steps if step.done] == ["registry"]
    assert "stockcast run" in (warmup.steps[1].detail or "")
    assert not warmup.complete
    service.set_champion(service.register(1))
    service.refresh()
    warmup = describe_warmup(service.live)
    assert [step.name for step in warmup.steps if step.done] == ["registry", "champion"]
    assert "snapshot" in (warmup.steps[2].detail or "")
    service.publish()
    service.refresh()
    warmup = describe_warmup(service.live)
    assert (warmup.complete, warmup.progress) == (True, 1.0)
