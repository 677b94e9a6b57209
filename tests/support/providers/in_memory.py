"""Providers in memory."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from core.errors import ProviderDownError, StockcastError
from core.tickers import unknown_ticker
from market.providers.protocol import ACTIONS_SCHEMA, Quote, SessionRange


class FakeProvider:
    """Provider of the given frames and errors by ticker.

    With a `name`, the `source` of its bars is that name.
    """

    def __init__(
        self, bars: Mapping[str, pl.DataFrame | StockcastError], *, name: str | None = None
    ) -> None:
        self.name = name or "fake"
        self.bars = dict(bars)
        for ticker, item in bars.items():
            if name is not None and isinstance(item, pl.DataFrame):
                self.bars[ticker] = item.with_columns(source=pl.lit(name))
        self.calls: list[tuple[str, SessionRange | None]] = []
        self._error: StockcastError | None = None
        self._n_good = 0

    def fail(self, error: StockcastError | None = None, *, after: int = 0) -> None:
        """Raise an error for every request after the next `after` requests."""
        self._error = error or ProviderDownError(f"{self.name} does not respond.")
        self._n_good = after

    def recover(self) -> None:
        self._error = None

    def tickers(self) -> tuple[str, ...]:
        return tuple(sorted(self.bars))

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        self._record_call(ticker, session_range)
        if ticker not in self.bars:
            raise unknown_ticker(ticker, f"the {self.name} provider", self.tickers())
        bars = self.bars[ticker]
        if isinstance(bars, StockcastError):
            raise bars
        return (
            bars if session_range is None else bars.filter(pl.col("session") >= session_range.start)
        )

    def _record_call(self, ticker: str, session_range: SessionRange | None = None) -> None:
        self.calls.append((ticker, session_range))
        if self._error is not None:
            if self._n_good <= 0:
                raise self._error
            self._n_good -= 1


class FakeNetworkProvider(FakeProvider):
    """Provider that cannot list its tickers and serves splits, dividends and quotes too."""

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
        self._record_call(ticker)
        return self.actions.filter(pl.col("ticker") == ticker)

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:  # noqa: ARG002  # no limit per day
        self._record_call(ticker)
        if ticker not in self.quotes:
            raise unknown_ticker(ticker, f"the {self.name} provider", self.quotes)
        return self.quotes[ticker]
