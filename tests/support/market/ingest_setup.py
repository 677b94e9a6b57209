"""An ingest with a home and a clock of its own, and providers in memory that follow the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.sample_actions import sample_actions, with_sample_actions
from support.providers.in_memory import FakeNetworkProvider

from core.errors import StockcastError, TierError
from market.bars.quarantine import Quarantine
from market.ingest.report import IngestReport
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.protocol import Provider, SessionRange
from market.store import BarStore

# A Friday evening of the sample, after the close.
EVENING = datetime(2012, 6, 1, 22, tzinfo=UTC)
FRIDAY, MONDAY, TUESDAY = date(2012, 6, 1), date(2012, 6, 4), date(2012, 6, 5)
VALUES = ["session", "open", "high", "low", "close", "volume"]
_EVENTS = ("adj_close", "split_factor", "dividend")


def raw_bars(*tickers: str) -> pl.DataFrame:
    """The sample as traded, without a word on splits and dividends."""
    return sample_bars(*tickers).with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in _EVENTS
    )


def bars_with_actions(ticker: str) -> pl.DataFrame:
    """The sample as traded, with its splits and dividends."""
    return with_sample_actions(sample_bars(ticker))


class ClockedProvider(FakeNetworkProvider):
    """Bars up to the last session that has closed by the clock, as far back as its tier reaches.

    `delay` sessions are published late; splits and dividends are listed `listed_late` sessions
    after the fact; `reach` None gives all.
    """

    def __init__(
        self,
        bars: Mapping[str, pl.DataFrame],
        clock: MovingClock,
        *,
        name: str = "alpha_vantage",
        reach: int | None = None,
        has_separate_actions: bool = True,
    ) -> None:
        super().__init__(
            bars,
            name=name,
            actions=sample_actions(*bars),
            has_separate_actions=has_separate_actions,
        )
        self.clock, self.reach, self.delay = clock, reach, 0
        self.asked_actions = 0
        self.listed_late = 0
        self.refusal: StockcastError | None = None

    def fetch(self, ticker: str, span: SessionRange | None = None) -> pl.DataFrame:
        if self.reach is not None and (span is None or span.n_sessions > self.reach):
            msg = f"{self.name} reaches back {self.reach} sessions."
            raise TierError(msg, reach=self.reach)
        last = xnys().offset(xnys().last_closed(self.clock.now()), -self.delay)
        known = super().fetch(ticker, span).filter(pl.col("session") <= last)
        return known.with_columns(source=pl.lit(self.name))

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """What has happened or is announced by the clock, or the `refusal` of the time."""
        self.asked_actions += 1
        if self.refusal is not None:
            raise self.refusal
        ahead = -self.listed_late or 20
        announced = xnys().offset(xnys().last_closed(self.clock.now()), ahead)
        return sample_actions(ticker).filter(pl.col("session") <= announced)

    def correct(self, ticker: str, session: date, **values: float) -> None:
        """Change values of one bar from now on."""
        bars = self.bars[ticker]
        assert isinstance(bars, pl.DataFrame)
        self.bars[ticker] = bars.with_columns(
            pl.when(pl.col("session") == session)
            .then(pl.lit(value))
            .otherwise(name)
            .cast(bars.schema[name])
            .alias(name)
            for name, value in values.items()
        )


def premium_key(clock: MovingClock, *tickers: str) -> ClockedProvider:
    """A provider of whole histories with their splits and dividends."""
    return ClockedProvider(
        {t: bars_with_actions(t) for t in tickers}, clock, has_separate_actions=False
    )


def free_key(clock: MovingClock, *tickers: str) -> ClockedProvider:
    """A provider of the last hundred bars, which tells splits and dividends apart."""
    return ClockedProvider({t: raw_bars(t) for t in tickers}, clock, reach=100)


class IngestSetup:
    """One home: a store, a quarantine, records, and an ingest from the given providers."""

    def __init__(self, home: Path, clock: MovingClock, *providers: Provider) -> None:
        self.home, self.clock = home, clock
        self.store = BarStore(home / "bars")
        self.quarantine = Quarantine(home / "quarantine")
        self.ticker_states = TickerStateStore(home / "market.sqlite")
        if providers:
            self.connect(*providers)

    def connect(self, *providers: Provider) -> None:
        """Go on with other providers, as after a change of settings."""
        chain = ProviderChain(providers, CircuitBreakers(self.home / "market.sqlite", self.clock))
        self.take_from(chain)

    def take_from(self, provider: Provider) -> None:
        self.ingest = Ingest(
            provider=provider,
            store=self.store,
            quarantine=self.quarantine,
            ticker_states=self.ticker_states,
            sessions_of=lambda _: xnys(),
            join_tolerance=0.005,
            clock=self.clock,
        )

    def ingest_ticker(self, ticker: str = "AAPL") -> IngestReport:
        return self.ingest.ingest_ticker(ticker)

    def wants(self, ticker: str = "AAPL") -> str:
        return self.ingest.plan([ticker])[0].kind

    def bars(self, ticker: str = "AAPL") -> pl.DataFrame:
        return self.store.read([ticker])

    def to_evening_of(self, session: date) -> None:
        self.clock.move_to(datetime(session.year, session.month, session.day, 22, tzinfo=UTC))


def setup_of(home: Path, provider: ClockedProvider) -> IngestSetup:
    """A setup on the clock of its only provider."""
    return IngestSetup(home, provider.clock, provider)


def as_traded(ticker: str, *, end: date, start: date = date(2000, 3, 1)) -> pl.DataFrame:
    """What a setup holds of the sample between two sessions, without events."""
    return sample_bars(ticker, start=start, end=end).select(VALUES)
