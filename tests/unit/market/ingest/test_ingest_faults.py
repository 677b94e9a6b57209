"""Random sequences of provider faults cause neither gaps nor false crashes."""

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

pytestmark = pytest.mark.slow

# AAPL has a split on the sixth session.
START = date(2005, 2, 18)
FAULTS = ("none", "none", "down", "late", "spent")
SessionFaults = tuple[str, str, bool]
AS_TRADED = ("session", "open", "high", "low", "close", "volume")


class FaultySetup:
    """A setup with a free key of Alpha Vantage, Yahoo as backup, and new faults each session."""

    def __init__(self, home: Path) -> None:
        self.clock = MovingClock(datetime(2005, 2, 18, 22, tzinfo=UTC))
        self.primary = free_key(self.clock, "AAPL")
        self.backup = premium_key(self.clock, "AAPL")
        self.backup.name = "yahoo"
        self.setup = IngestSetup(home, self.clock, self.primary, self.backup)

    def run_session(self, session: date, faults: SessionFaults) -> None:
        self.setup.to_evening_of(session)
        self._inject(self.primary, faults[0])
        self._inject(self.backup, faults[1])
        down = ProviderDownError("No actions now.")
        self.primary.refusal = self.backup.refusal = None if faults[2] else down
        with suppress(StockcastError):
            while self.setup.due_kind() != "nothing":
                self.setup.ingest_ticker()

    def check(self, through: date) -> None:
        """Check that stored bars are correct, without gaps and without false crashes."""
        if not self.setup.store.tickers():
            return
        stored = self.setup.bars()
        first, last = stored["session"][0], stored["session"][-1]
        assert last <= through
        expected = sample_bars("AAPL", start=first, end=last)
        assert stored.select(AS_TRADED).equals(expected.select(AS_TRADED))
        adjusted = adjust_bars(stored.filter(pl.col("session") > date(2004, 11, 1)))["close"]
        assert (adjusted / adjusted.shift(1) - 1).abs().max() < 0.12

    def _inject(self, provider: ClockedProvider, kind: str) -> None:
        provider.recover()
        provider.delay = 1 if kind == "late" else 0
        if kind == "down":
            provider.fail()
        if kind == "spent":
            provider.fail(QuotaError("Spent.", renews_at=self.clock.now()))


@settings(max_examples=12, deadline=None)
@given(
    days=st.lists(
        st.tuples(st.sampled_from(FAULTS), st.sampled_from(FAULTS), st.booleans()),
        min_size=4,
        max_size=12,
    )
)
def test_faults_cause_no_gap_and_no_false_crash(days: list[SessionFaults]) -> None:
    with tempfile.TemporaryDirectory() as home:
        faulty = FaultySetup(Path(home))
        sessions = xnys().between(START, date(2005, 4, 1))
        for session, faults in zip(sessions, days, strict=False):
            faulty.run_session(session, faults)
            faulty.check(session)
        n_requests = len(faulty.primary.calls) + len(faulty.backup.calls)
        # One request for bars and one for a history, to each provider and evening.
        assert n_requests <= 4 * len(days)

        # A circuit breaker recovers within half an hour, a backoff ends after a few sessions.
        for session in sessions[len(days) : len(days) + 8]:
            faulty.run_session(session, ("none", "none", True))
        faulty.check(sessions[len(days) + 7])
        assert faulty.setup.ingest_ticker().outcome == "up_to_date"
        adjusted = adjust_bars(faulty.setup.bars())["close"]
        given_closes = sample_bars("AAPL").join(faulty.setup.bars(), on="session", how="semi")
        expected = given_closes["adj_close"] * (adjusted[-1] / given_closes["adj_close"][-1])
        assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
