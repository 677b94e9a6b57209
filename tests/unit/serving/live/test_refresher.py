"""The refresh itself: unexpected errors, and a refresh that hangs."""

from __future__ import annotations

import asyncio

import pytest
from support.serving.service_setup import ServiceSetup

from serving.routes.operation.health import read_health


def test_an_unexpected_error_becomes_an_issue_and_the_other_followers_run(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go_live()

    def raise_unexpected(alias: str) -> int:
        msg = f"unexpected error for {alias}"
        raise KeyError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(service.registry, "alias_version", raise_unexpected)
        service.clock.advance(hours=9)  # the session has closed
        service.refresh()
    (issue,) = read_health(service.state)["issues"]
    assert issue["topic"] == "refresh"
    assert "AliasFollower: KeyError: 'unexpected error for champion'" in issue["detail"]
    assert service.live.require().table.age_sessions == 1
    service.refresh()
    assert read_health(service.state)["status"] == "healthy"


def test_an_unexpected_error_is_logged_once_with_its_traceback(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: an error of the metrics ended the polling for good, without a line."""

    def fail() -> None:
        msg = "no space left"
        raise OSError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(service.metrics, "write", fail)
        for _ in range(3):
            service.refresh()
    records = [r for r in caplog.records if r.message == "event=refresh_failed step=Metrics"]
    assert len(records) == 1
    assert records[0].exc_info is not None
    assert "OSError: no space left" in read_health(service.state)["issues"][-1]["detail"]
    service.refresh()
    assert "no space left" not in str(read_health(service.state)["issues"])


def test_an_overdue_refresh_is_an_issue(service: ServiceSetup) -> None:
    service.go_live()
    service.clock.advance(seconds=300)
    health = read_health(service.state)
    assert health["status"] == "degraded"
    assert health["last_refresh_seconds_ago"] == 300
    assert health["issues"][0]["topic"] == "refresh"


def test_a_restart_is_ready_before_the_registry_has_responded(service: ServiceSetup) -> None:
    service.go_live()
    restarted = ServiceSetup(service.folder, registry=service.registry)
    restarted.registry.down = "must not be read yet"
    asyncio.run(restarted.state.refresher.start())
    assert restarted.live.version == 1
    assert read_health(restarted.state)["status"] == "healthy"


def test_a_first_start_waits_for_the_champion(service: ServiceSetup) -> None:
    service.set_champion(service.register(1))
    service.publish()
    asyncio.run(service.state.refresher.start())
    assert service.live.version == 1
