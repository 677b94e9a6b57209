"""Times and order of moves: equal times, clocks that are set back, and zones of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.registry.empty_versions import registry_of_versions

from registry.promotion.aliases import promote, rollback
from registry.promotion.audit import (
    SEQUENCE_TAG,
    champion_periods,
    read_moves,
)
from registry.versions import ModelRegistry

NOW = datetime(2013, 3, 1, 22, tzinfo=UTC)


@pytest.fixture(params=["Pacific/Kiritimati", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set the zone of this process, 14 hours ahead of UTC or 8 hours behind it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_moves_in_the_same_millisecond_keep_their_order(tmp_path: Path) -> None:
    registry = registry_of_versions(tmp_path, MovingClock(NOW))
    versions = [1, 2, 3, 1, 4, 2, 3]
    for version in versions:
        promote(registry, version, "why", "ann")

    assert [move.to_version for move in read_moves(registry)] == versions
    assert {move.at for move in read_moves(registry)} == {NOW}
    assert rollback(registry, "why", "ann").to_version == 2


def test_moves_of_earlier_releases_come_first_in_order_of_time(registry: ModelRegistry) -> None:
    """They have no sequence number."""
    promote(registry, 1, "why", "ann")
    promote(registry, 2, "why", "ann")
    for move in read_moves(registry):
        registry.client.delete_tag(move.run_id, SEQUENCE_TAG)
    promote(registry, 3, "why", "ann")

    assert [move.to_version for move in read_moves(registry)] == [1, 2, 3]


@pytest.mark.usefixtures("zone")
def test_times_are_in_utc_in_any_time_zone(registry: ModelRegistry) -> None:
    promote(registry, 2, "why", "ann")
    expected = datetime(2013, 3, 1, 22, tzinfo=UTC)
    [move] = read_moves(registry)
    assert (move.at, move.at.utcoffset()) == (expected, timedelta(0))
    assert registry.get(2).tags["stockcast.decided_at"] == "2013-03-01T22:00:00+00:00"
    assert champion_periods([move])[0].since == expected
    assert "2013-03-01" in registry.get(2).description
    created = registry.get(1).created
    assert created.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - created) < timedelta(hours=1)
