"""The challenger's forecasts: loaded on demand, cached, and refreshed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.serving.service_setup import ServiceSetup

from core.errors import BundleError
from serving.live.challenger import ChallengerCache


@pytest.fixture
def challenger(service: ServiceSetup) -> ChallengerCache:
    service.go_live()
    return service.state.challenger


def expire(service: ServiceSetup) -> None:
    service.clock.advance(seconds=service.state.poll_seconds)


def test_without_a_challenger_there_is_a_note(challenger: ChallengerCache) -> None:
    forecasts = challenger.get()
    assert forecasts.table is None
    assert forecasts.note == "No challenger is set."


def test_a_challenger_is_loaded_at_the_first_request_and_then_cached(
    service: ServiceSetup, challenger: ChallengerCache
) -> None:
    service.registry.aliases["challenger"] = service.register(2)
    assert service.registry.downloads == 1
    first = challenger.get().table
    assert first is not None
    assert first.model.version == 2
    expire(service)
    assert challenger.get().table is first
    assert service.registry.downloads == 2


def test_a_new_challenger_replaces_the_cached_one(
    service: ServiceSetup, challenger: ChallengerCache
) -> None:
    for seed in (2, 3):
        version = service.register(seed)
        service.registry.aliases["challenger"] = version
        table = challenger.get().table
        assert table is not None
        assert table.model.version == version
        expire(service)


def test_the_registry_is_read_at_most_once_per_poll_interval(
    service: ServiceSetup, challenger: ChallengerCache
) -> None:
    challenger.get()
    service.registry.aliases["challenger"] = service.register(2)
    service.clock.advance(seconds=service.state.poll_seconds - 0.1)
    assert challenger.get().table is None
    service.clock.advance(seconds=0.1)
    assert challenger.get().table is not None


def test_a_challenger_that_fails_to_load_has_a_note_and_one_line_in_the_log(
    service: ServiceSetup, challenger: ChallengerCache, caplog: pytest.LogCaptureFixture
) -> None:
    service.registry.aliases["challenger"] = 99
    for _ in range(3):
        note = challenger.get().note
        assert note is not None
        assert "no version 99" in note
        expire(service)
    assert caplog.messages == ['event=challenger_not_available error="no version 99"']


def test_a_refused_challenger_is_verified_once(tmp_path: Path) -> None:
    """Regression: each comparison verified it again, for up to ten seconds."""
    verified: list[int] = []

    def verify(files: Mapping[str, bytes]) -> None:
        verified.append(len(files))
        if len(verified) == 2:
            msg = "it computes without end"
            raise BundleError(msg)

    service = ServiceSetup(tmp_path, verify=verify)
    service.go_live()
    service.registry.aliases["challenger"] = service.register(2)
    for _ in range(3):
        assert "it computes without end" in str(service.state.challenger.get().note)
        expire(service)
    assert len(verified) == 2
    service.registry.aliases["challenger"] = service.register(3)
    assert service.state.challenger.get().table is not None
