"""Whatever goes wrong, and in whatever order: no hole, no false crash, and in the end all bars."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import ClockedProvider, IngestSetup, free_key, premium_key

from core.errors import ProviderDownError, QuotaError, StockcastError
from market.bars.adjustments import adjust_bars

# AAPL split on the sixth of these sessions.
START = date(2005, 2, 18)
TROUBLES = ("none", "none", "down", "late", "spent")
Day = tuple[str, str, bool]
AS_TRADED = ("session", "open", "high", "low", "close", "volume")


class Weather:
    """A free key of alpha_vantage, yahoo behind it, and a new trouble each day."""

    def __init__(self, home: Path) -> None:
        self.clock = MovingClock(datetime(2005, 2, 18, 22, tzinfo=UTC))
        self.primary = free_key(self.clock, "AAPL")
        self.backup = premium_key(self.clock, "AAPL")
        self.backup.name = "yahoo"
        self.setup = IngestSetup(home, self.clock, self.primary, self.backup)

    def live(self, session: date, day: Day) -> None:
        self.setup.to_evening_of(session)
        self._trouble(self.primary, day[0])
        self._trouble(self.backup, day[1])
        down = ProviderDownError("No actions now.")
        self.primary.refusal = self.backup.refusal = None if day[2] else down
        with suppress(StockcastError):
            while self.setup.wants() != "nothing":
                self.setup.ingest_ticker()

    def check(self, through: date) -> None:
        """What is stored is true and whole, and no split in it looks like a crash."""
        if not self.setup.store.tickers():
            return
        stored = self.setup.bars()
        first, last = stored["session"][0], stored["session"][-1]
        assert last <= through
        true = sample_bars("AAPL", start=first, end=last)
        assert stored.select(AS_TRADED).equals(true.select(AS_TRADED))
        adjusted = adjust_bars(stored.filter(pl.col("session") > date(2004, 11, 1)))["close"]
        assert (adjusted / adjusted.shift(1) - 1).abs().max() < 0.12

    def _trouble(self, provider: ClockedProvider, kind: str) -> None:
        provider.recover()
        provider.delay = 1 if kind == "late" else 0
        if kind == "down":
            provider.fail()
        if kind == "spent":
            provider.fail(QuotaError("Spent.", renews_at=self.clock.now()))


@settings(max_examples=12, deadline=None)
@given(
    days=st.lists(
        st.tuples(st.sampled_from(TROUBLES), st.sampled_from(TROUBLES), st.booleans()),
        min_size=4,
        max_size=12,
    )
)
def test_no_trouble_leaves_a_hole_or_a_false_crash_and_all_is_made_up_for(days: list[Day]) -> None:
    with tempfile.TemporaryDirectory() as home:
        weather = Weather(Path(home))
        sessions = xnys().between(START, date(2005, 4, 1))
        for session, day in zip(sessions, days, strict=False):
            weather.live(session, day)
            weather.check(session)
        paid = len(weather.primary.calls) + len(weather.backup.calls)
        # An evening asks each of them once for bars, and a second time for a history.
        assert paid <= 4 * len(days)

        # A breaker needs half an hour at most, a quiet ticker a few sessions.
        for session in sessions[len(days) : len(days) + 8]:
            weather.live(session, ("none", "none", True))
        weather.check(sessions[len(days) + 7])
        assert weather.setup.ingest_ticker().outcome == "up_to_date"
        adjusted = adjust_bars(weather.setup.bars())["close"]
        given_closes = sample_bars("AAPL").join(weather.setup.bars(), on="session", how="semi")
        expected = given_closes["adj_close"] * (adjusted[-1] / given_closes["adj_close"][-1])
        assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
