"""Fixtures that several tests of the market share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.file_formats import Write
from support.market.quota_calls import START

from market.quota.ledger import QuotaLedger


@pytest.fixture
def clock() -> MovingClock:
    """A Monday morning in New York; files with another time have a clock of their own."""
    return MovingClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: MovingClock) -> QuotaLedger:
    """A ledger on that clock which has granted nothing yet."""
    return QuotaLedger(tmp_path / "market.sqlite", clock)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text file into this test's folder."""

    def write_text(name: str, text: str, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write_text
