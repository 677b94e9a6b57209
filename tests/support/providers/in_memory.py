"""Providers in memory for tests of what asks one."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from core.errors import ProviderDownError, StockcastError
from core.tickers import unknown_ticker
from market.providers.protocol import ACTIONS_SCHEMA, Quote, SessionRange


class FakeProvider:
    """Gives the frames it was made with, and raises the errors among them.

    With a `name` of its own, its bars have that as their source.
    """

    def __init__(
        self, bars: Mapping[str, pl.DataFrame | StockcastError], *, name: str | None = None
    ) -> None:
        self.name = name or "fake"
        self.bars = dict(bars)
        for ticker, found in bars.items():
            if name is not None and isinstance(found, pl.DataFrame):
                self.bars[ticker] = found.with_columns(source=pl.lit(name))
        self.calls: list[tuple[str, SessionRange | None]] = []
        self._trouble: StockcastError | None = None
        self._n_good = 0

    def fail(self, error: StockcastError | None = None, *, after: int = 0) -> None:
        """Answer every question with an error, once so many more were answered."""
        self._trouble = error or ProviderDownError(f"{self.name} does not answer.")
        self._n_good = after

    def recover(self) -> None:
        self._trouble = None

    def tickers(self) -> tuple[str, ...]:
        return tuple(sorted(self.bars))

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        self._asked(ticker, session_range)
        if ticker not in self.bars:
            raise unknown_ticker(ticker, f"the {self.name} provider", self.tickers())
        found = self.bars[ticker]
        if isinstance(found, StockcastError):
            raise found
        return (
            found
            if session_range is None
            else found.filter(pl.col("session") >= session_range.start)
        )

    def _asked(self, ticker: str, session_range: SessionRange | None = None) -> None:
        self.calls.append((ticker, session_range))
        if self._trouble is not None:
            if self._n_good <= 0:
                raise self._trouble
            self._n_good -= 1


class FakeNetworkProvider(FakeProvider):
    """One that cannot list its tickers, and tells splits, dividends and quotes as well."""

    def __init__(
        self,
        bars: Mapping[str, pl.DataFrame | StockcastError],
        *,
        name: str | None = None,
        actions: pl.DataFrame | None = None,
        has_separate_actions: bool = False,
        quotes: Mapping[str, Quote] | None = None,
    ) -> None:
        super().__init__(bars, name=name)
        self.actions = pl.DataFrame(schema=ACTIONS_SCHEMA) if actions is None else actions
        self.has_separate_actions = has_separate_actions
        self.quotes = dict(quotes or {})

    def tickers(self) -> tuple[str, ...]:
        return ()

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        self._asked(ticker)
        return self.actions.filter(pl.col("ticker") == ticker)

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:  # noqa: ARG002  # no limit per day
        self._asked(ticker)
        if ticker not in self.quotes:
            raise unknown_ticker(ticker, f"the {self.name} provider", self.quotes)
        return self.quotes[ticker]
