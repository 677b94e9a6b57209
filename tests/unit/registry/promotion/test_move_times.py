"""Times of moves and versions do not depend on the time zone of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from registry.promotion.aliases import promote
from registry.promotion.audit import champion_periods, read_moves
from registry.versions import ModelRegistry


@pytest.fixture(params=["Pacific/Kiritimati", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set the zone of this process, 14 hours ahead of UTC or 8 hours behind it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


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
