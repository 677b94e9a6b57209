"""What a provider of bars is. Each provider has its own small module; choosing one is `factory`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import polars as pl


@runtime_checkable
class Provider(Protocol):
    """A source of daily bars.

    Attributes
    ----------
    name
        Short name, written into the `source` column of every bar.
    """

    @property
    def name(self) -> str:
        """Short name, written into the `source` column of every bar."""
        ...

    def tickers(self) -> tuple[str, ...]:
        """Return every ticker that the provider has, sorted."""
        ...

    def fetch(self, ticker: str) -> pl.DataFrame:
        """Return all bars of one ticker: bar contract, not yet validated.

        Prices and volume are as the source gives them; what it does not know is null.

        Raises
        ------
        UnknownTickerError
            When the provider does not have the ticker.
        BarsError
            When its data cannot be read.
        ProviderDownError
            When it does not answer now.
        """
        ...
