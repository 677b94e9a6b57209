"""A provider in memory for tests of what asks one."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from market.errors import StockcastError
from market.providers.base import Span
from market.tickers import unknown_ticker


class FakeProvider:
    """Gives the frames it was made with, and raises the errors among them."""

    name = "fake"

    def __init__(self, bars: Mapping[str, pl.DataFrame | StockcastError]) -> None:
        self.bars = dict(bars)

    def tickers(self) -> tuple[str, ...]:
        return tuple(sorted(self.bars))

    def fetch(self, ticker: str, span: Span | None = None) -> pl.DataFrame:
        if ticker not in self.bars:
            raise unknown_ticker(ticker, "the fake provider", self.tickers())
        found = self.bars[ticker]
        if isinstance(found, StockcastError):
            raise found
        return found if span is None else found.filter(pl.col("session") >= span.since)
