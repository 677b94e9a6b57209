"""An ingest with its own home and clock, and in-memory providers that follow the clock."""

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

# After the close of a Friday in the sample.
EVENING = datetime(2012, 6, 1, 22, tzinfo=UTC)
FRIDAY, MONDAY, TUESDAY = date(2012, 6, 1), date(2012, 6, 4), date(2012, 6, 5)
VALUES = ["session", "open", "high", "low", "close", "volume"]
_EVENTS = ("adj_close", "split_factor", "dividend")


def raw_bars(*tickers: str) -> pl.DataFrame:
    """Return the sample as traded, without splits and dividends."""
    return sample_bars(*tickers).with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in _EVENTS
    )


def bars_with_actions(ticker: str) -> pl.DataFrame:
    """Return the sample as traded, with its splits and dividends."""
    return with_sample_actions(sample_bars(ticker))


class ClockedProvider(FakeNetworkProvider):
    """Provider of the bars up to the last closed session of its clock.

    The last `delay` sessions are not published yet. Splits and dividends are listed
    `sessions_until_listed` sessions after their ex-date. Requests for more than `reach` sessions
    raise, unless `reach` is None.
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
        self.n_action_requests = 0
        self.sessions_until_listed = 0
        self.refusal: StockcastError | None = None

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        if self.reach is not None and (
            session_range is None or session_range.n_sessions > self.reach
        ):
            msg = f"{self.name} reaches back {self.reach} sessions."
            raise TierError(msg, reach=self.reach)
        last = xnys().offset(xnys().last_closed(self.clock.now()), -self.delay)
        published = super().fetch(ticker, session_range).filter(pl.col("session") <= last)
        return published.with_columns(source=pl.lit(self.name))

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Return the actions that are listed at the time of the clock, or raise `refusal`."""
        self.n_action_requests += 1
        if self.refusal is not None:
            raise self.refusal
        ahead = -self.sessions_until_listed or 20
        announced = xnys().offset(xnys().last_closed(self.clock.now()), ahead)
        return sample_actions(ticker).filter(pl.col("session") <= announced)

    def correct(self, ticker: str, session: date, **values: float) -> None:
        """Change values of one bar."""
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
    """Return a provider of whole histories with splits and dividends."""
    return ClockedProvider(
        {t: bars_with_actions(t) for t in tickers}, clock, has_separate_actions=False
    )


def free_key(clock: MovingClock, *tickers: str) -> ClockedProvider:
    """Return a provider of the last hundred bars, with separate splits and dividends."""
    return ClockedProvider({t: raw_bars(t) for t in tickers}, clock, reach=100)


class IngestSetup:
    """A home with a store, a quarantine, ticker states and an ingest from the given providers."""

    def __init__(self, home: Path, clock: MovingClock, *providers: Provider) -> None:
        self.home, self.clock = home, clock
        self.store = BarStore(home / "bars")
        self.quarantine = Quarantine(home / "quarantine")
        self.ticker_states = TickerStateStore(home / "market.sqlite")
        if providers:
            self.connect(*providers)

    def connect(self, *providers: Provider) -> None:
        """Replace the providers, as a change of settings does."""
        chain = ProviderChain(providers, CircuitBreakers(self.home / "market.sqlite", self.clock))
        self.use(chain)

    def use(self, provider: Provider) -> None:
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

    def due_kind(self, ticker: str = "AAPL") -> str:
        return self.ingest.plan([ticker])[0].kind

    def bars(self, ticker: str = "AAPL") -> pl.DataFrame:
        return self.store.read([ticker])

    def to_evening_of(self, session: date) -> None:
        self.clock.move_to(datetime(session.year, session.month, session.day, 22, tzinfo=UTC))


def setup_of(home: Path, provider: ClockedProvider) -> IngestSetup:
    """Return a setup with one provider and its clock."""
    return IngestSetup(home, provider.clock, provider)


def as_traded(ticker: str, *, end: date, start: date = date(2000, 3, 1)) -> pl.DataFrame:
    """Return the stored values of the sample between two sessions, without actions."""
    return sample_bars(ticker, start=start, end=end).select(VALUES)
