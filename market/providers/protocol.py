"""What a provider of bars is. Each provider has its own small module; choosing one is `factory`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

import polars as pl

ACTIONS_SCHEMA = pl.Schema(
    {
        "ticker": pl.String(),
        "session": pl.Date(),
        "split_factor": pl.Float64(),
        "dividend": pl.Float64(),
    }
)


@dataclass(frozen=True)
class SessionRange:
    """A stretch of sessions up to the newest one.

    Attributes
    ----------
    since
        The first session that is wanted.
    sessions
        How many sessions it is from there to the last closed one, both included.
    """

    since: date
    sessions: int


@dataclass(frozen=True)
class Quote:
    """The price of a ticker now, or as of its last trade; prices as traded, not adjusted.

    Attributes
    ----------
    session
        The session that the price belongs to.
    requested_at
        When the provider was asked, in UTC.
    source
        The provider's name.
    """

    ticker: str
    price: float
    previous_close: float | None
    volume: int | None
    session: date
    requested_at: datetime
    source: str


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
        """Return every ticker that the provider has, sorted; none when it cannot list them."""
        ...

    def fetch(self, ticker: str, span: SessionRange | None = None) -> pl.DataFrame:
        """Return bars of one ticker: bar contract, not yet validated.

        Prices and volume are as traded, as far as the source knows them; what it does not know is
        null. Without `span` it is the whole history. With it, it is at least the sessions of the
        span that the provider has, and may be more.

        Raises
        ------
        UnknownTickerError
            When the provider does not have the ticker.
        TierError
            When our tier cannot go back so far; no call was made.
        BarsError
            When its data cannot be read.
        ProviderKeyError
            When it does not accept our key.
        QuotaError
            When our budget of calls is spent.
        ProviderDownError
            When it does not answer now, or answers with half a body or nonsense.
        """
        ...


@runtime_checkable
class ActionsProvider(Provider, Protocol):
    """A provider that may tell splits and dividends in requests of their own.

    Attributes
    ----------
    has_separate_actions
        Whether bars come without them, so that `fetch_actions` must be asked.
    """

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars come without splits and dividends."""
        ...

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Return every known split and dividend by ex-date, `ACTIONS_SCHEMA`, sorted.

        `split_factor` is new shares for an old one (1 where there is a dividend alone), `dividend`
        the cash a share as declared (0 where there is a split alone). Announced ones are included.

        Raises
        ------
        StockcastError
            As `fetch` does.
        """
        ...


@runtime_checkable
class QuoteProvider(Protocol):
    """A provider that knows the current price."""

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Return the price of one ticker now.

        Parameters
        ----------
        reserved_calls
            Calls of the day to leave for other purposes, where the day has a limit.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does.
        """
        ...
