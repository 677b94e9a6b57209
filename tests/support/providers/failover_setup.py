"""A chain of a primary and a backup provider in memory."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.providers.in_memory import FakeNetworkProvider

from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.protocol import Quote

NOW = datetime(2012, 6, 1, 21, tzinfo=UTC)
LATER = datetime(2012, 6, 2, 4, tzinfo=UTC)
START = date(2012, 5, 1)
TICKERS = ("AAPL", "IBM", "MSFT")
SPLIT = pl.DataFrame(
    {"ticker": ["AAPL"], "session": [date(2005, 2, 28)], "split_factor": [2.0], "dividend": [0.0]}
)


def provider(name: str, *tickers: str) -> FakeNetworkProvider:
    bars = {ticker: sample_bars(ticker, start=START) for ticker in tickers or TICKERS}
    return FakeNetworkProvider(bars, name=name)


def quote(source: str, price: float = 560.99) -> Quote:
    return Quote("AAPL", price, 577.73, 18_606_700, date(2012, 6, 1), NOW, source)


class FailoverSetup:
    """A primary and a backup in memory, the chain of both, and their circuit breakers."""

    def __init__(self, folder: Path) -> None:
        self.clock = MovingClock(NOW)
        self.primary = provider("alpha_vantage")
        self.backup = provider("yahoo")
        self.breakers = CircuitBreakers(folder / "market.sqlite", self.clock)
        self.chain = ProviderChain([self.primary, self.backup], self.breakers)

    def source_of(self, ticker: str) -> str:
        return str(self.chain.fetch(ticker).get_column("source").unique().item())

    def state_of(self, name: str) -> str:
        return next(state.state for state in self.chain.breaker_states() if state.name == name)
