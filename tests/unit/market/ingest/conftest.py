"""Providers in memory for the tests of ingest, on a Friday evening of the sample."""

from __future__ import annotations

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.ingest_setup import EVENING, ClockedProvider, free_key, premium_key


@pytest.fixture
def evening_clock() -> MovingClock:
    return MovingClock(EVENING)


@pytest.fixture
def premium(evening_clock: MovingClock) -> ClockedProvider:
    return premium_key(evening_clock, "AAPL", "FB", "IBM")


@pytest.fixture
def free(evening_clock: MovingClock) -> ClockedProvider:
    return free_key(evening_clock, "AAPL", "FB", "IBM")
