"""The real providers over HTTP, day by day over splits and dividends, as settings connect them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.alpha_vantage.emulator import FREE_KEY, PREMIUM_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import IngestSetup
from support.market.sample_actions import sample_actions
from support.yahoo.emulator import YahooEmulator

from core.settings import load_settings
from market.bars.adjustments import adjust_bars
from market.providers.factory import make_provider
from pipelines.settings import PipelineSettings

pytestmark = pytest.mark.integration

TICKERS = ("AAPL", "IBM", "MSFT")
SPLIT = date(2005, 2, 28)


class Wires:
    """Both services on one clock, and a setup that the settings connect to them."""

    def __init__(self, home: Path, stack: ExitStack, start: datetime) -> None:
        self.clock, self.home = MovingClock(start), home
        bars, actions = sample_bars(*TICKERS), sample_actions(*TICKERS)
        self.alpha_vantage = stack.enter_context(
            AlphaVantageEmulator(bars, self.clock, actions=actions)
        )
        self.yahoo = stack.enter_context(YahooEmulator(bars, self.clock, actions=actions))
        self.setup = IngestSetup(home, self.clock)

    def connect(self, *, backups: str = "", tier: str = "free") -> IngestSetup:
        settings = load_settings(
            PipelineSettings,
            home=self.home,
            provider="alpha_vantage",
            backups=backups,
            tickers=",".join(TICKERS),
            alpha_vantage_key=FREE_KEY if tier == "free" else PREMIUM_KEY,
            alpha_vantage_tier=tier,
            alpha_vantage_url=self.alpha_vantage.url,
            yahoo_url=self.yahoo.url,
            provider_timeout=5.0,
        )
        self.setup.use(make_provider(settings, clock=self.clock))
        return self.setup

    def run(self, start: date, end: date) -> None:
        for session in xnys().between(start, end):
            self.setup.to_evening_of(session)
            for ticker in TICKERS:
                while self.setup.due_kind(ticker) != "nothing":
                    self.setup.ingest_ticker(ticker)


@pytest.fixture
def wires(tmp_path: Path) -> Iterator[Wires]:
    with ExitStack() as stack:
        yield Wires(tmp_path, stack, datetime(2005, 2, 22, 22, tzinfo=UTC))


def assert_adjusted_as_the_sample(setup: IngestSetup, *, through: date) -> None:
    """Assert that adjusted closes equal those of the sample up to a constant factor."""
    for ticker in TICKERS:
        known = setup.bars(ticker).filter(pl.col("session") <= through)
        adjusted = adjust_bars(known).get_column("close")
        given = sample_bars(ticker).join(known, on="session", how="semi").get_column("adj_close")
        expected = given * (adjusted[-1] / given[-1])
        assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


def test_a_free_key_alone_goes_over_a_split_without_a_crash(wires: Wires) -> None:
    setup = wires.connect()

    wires.run(date(2005, 2, 22), date(2005, 3, 4))

    for ticker in TICKERS:
        stored = setup.bars(ticker)
        expected = sample_bars(ticker, start=stored["session"][0], end=date(2005, 3, 4))
        assert stored.select("session", "close").equals(expected.select("session", "close"))
    assert max(wires.alpha_vantage.calls_by_day().values()) <= 25
    assert all(call.outcome == "served" for call in wires.alpha_vantage.calls)
    split = setup.bars("AAPL").filter(pl.col("split_factor") == 2.0)
    assert split.get_column("session").to_list() == [SPLIT]
    assert_adjusted_as_the_sample(setup, through=date(2005, 2, 22))


def test_a_key_with_a_backup_has_whole_histories_and_survives_that_it_is_down(
    wires: Wires,
) -> None:
    setup = wires.connect(backups="yahoo")
    wires.run(date(2005, 2, 22), date(2005, 2, 24))
    with wires.alpha_vantage.closed():
        wires.run(date(2005, 2, 25), date(2005, 3, 2))
    wires.clock.advance(hours=1)  # its breaker closes again
    wires.run(date(2005, 3, 3), date(2005, 3, 4))

    bars = setup.bars("AAPL")
    assert bars.select("session", "open", "high", "low", "close", "volume").equals(
        sample_bars("AAPL", end=date(2005, 3, 4)).select(
            "session", "open", "high", "low", "close", "volume"
        )
    )
    by_session = dict(bars.select("session", "source").tail(9).rows())
    assert [source for _, source in sorted(by_session.items())] == [
        *["yahoo"],
        *["alpha_vantage"] * 2,
        *["yahoo"] * 4,
        *["alpha_vantage"] * 2,
    ]
    assert_adjusted_as_the_sample(setup, through=date(2005, 3, 2))


def test_a_free_key_that_becomes_premium_reads_the_history_that_it_lacked(wires: Wires) -> None:
    setup = wires.connect()
    setup.ingest_ticker("AAPL")
    assert setup.bars("AAPL").height == 100
    wires.connect(tier="premium_75")
    setup.to_evening_of(date(2005, 3, 4))

    report = setup.ingest_ticker("AAPL")

    assert (report.outcome, report.actions_through) == ("ingested", date(2005, 3, 4))
    expected = sample_bars("AAPL", end=date(2005, 3, 4))
    assert setup.bars("AAPL").get_column("session").equals(expected.get_column("session"))
    adjusted = adjust_bars(setup.bars("AAPL")).get_column("close")
    given = expected.get_column("adj_close")
    assert adjusted.to_numpy() == pytest.approx(
        (given * (adjusted[-1] / given[-1])).to_numpy(), rel=1e-6
    )


def test_a_correction_at_the_provider_is_read_and_told(wires: Wires) -> None:
    setup = wires.connect(tier="premium_75")
    setup.ingest_ticker("IBM")
    wires.alpha_vantage.correct("IBM", date(2005, 2, 18), close=93.5)
    setup.to_evening_of(date(2005, 2, 23))

    report = setup.ingest_ticker("IBM")

    assert (report.restated, report.stored.updated) == (1, 1)
    assert len(wires.alpha_vantage.calls) == 2
    [close] = setup.bars("IBM").filter(pl.col("session") == date(2005, 2, 18))["close"]
    assert close == 93.5
