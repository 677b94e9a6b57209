"""A registry on SQLite with four versions, and the clock of its moves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.registry.empty_versions import registry_of_versions

from registry.versions import ModelRegistry

START = datetime(2013, 3, 1, 22, tzinfo=UTC)


class TickingClock(MovingClock):
    """A clock that advances by a second at every reading, so no two moves have the same time."""

    def now(self) -> datetime:
        reading = super().now()
        self.advance(seconds=1)
        return reading


@pytest.fixture
def clock() -> MovingClock:
    return TickingClock(START)


@pytest.fixture
def registry(tmp_path: Path, clock: MovingClock) -> ModelRegistry:
    return registry_of_versions(tmp_path, clock)
