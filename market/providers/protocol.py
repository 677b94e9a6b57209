"""Protocols of providers, and the types that they exchange with their callers."""

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
    """Consecutive sessions up to the last closed session.

    Attributes
    ----------
    start
        First session of the range.
    n_sessions
        Number of sessions from `start` to the last closed session, both included.
    """

    start: date
    n_sessions: int


@dataclass(frozen=True)
class Quote:
    """Price of a ticker's last trade.

    Attributes
    ----------
    price, previous_close
        As traded, in the currency of the exchange.
    volume
        Shares traded in `session`.
    session
        Session of the last trade.
    requested_at
        Time of the request in UTC.
    source
        Name of the provider.
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
        Name in the settings, and value of the `source` column of every bar.

    See Also
    --------
    market.providers.spec.ProviderSpec : Registration of a provider.
    """

    @property
    def name(self) -> str:
        """Name in the settings, and value of the `source` column of every bar."""
        ...

    def tickers(self) -> tuple[str, ...]:
        """Return all tickers of the provider, sorted; empty if the provider cannot list them."""
        ...

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Fetch the daily bars of one ticker.

        Parameters
        ----------
        ticker
            In the spelling of `core.tickers.check_ticker`.
        session_range
            Sessions to fetch. None fetches the whole history.

        Returns
        -------
        polars.DataFrame
            Bars keyed ``(ticker, session)`` with the schema of the bar contract, not validated;
            see `market.bars.contract.validate_bars`. Prices and volume are as traded. Values that
            the provider does not have are null. The frame has every session of `session_range`
            that the provider has. It may have earlier sessions too, and the session in progress.

        Raises
        ------
        UnknownTickerError
            If the provider does not have the ticker.
        TierError
            If the tier of the key does not reach back to the start of `session_range`. No request
            is sent.
        BarsError
            If the data of the provider cannot be parsed.
        ProviderKeyError
            If the provider rejects the key.
        QuotaError
            If the budget of calls is spent.
        ProviderDownError
            If the provider does not respond, or its response is incomplete or malformed.
        """
        ...


@runtime_checkable
class LocalProvider(Provider, Protocol):
    """A provider of local data. Its requests cost no calls."""

    def source_version(self) -> str:
        """Return a text that changes when the data changes. Cheap enough for polling.

        Raises
        ------
        BarsError
            If there is no data.
        """
        ...


@runtime_checkable
class ActionsProvider(Provider, Protocol):
    """A provider of splits and dividends.

    Attributes
    ----------
    has_separate_actions
        Whether bars lack splits and dividends, so that `fetch_actions` must be called for them.
    """

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars lack splits and dividends."""
        ...

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Fetch all splits and dividends of one ticker.

        Returns
        -------
        polars.DataFrame
            One row per ex-date with the columns of `ACTIONS_SCHEMA`, sorted by `session`.
            `split_factor` is the number of new shares per old share, 1 without a split.
            `dividend` is the declared cash per share, 0 without a dividend. Announced actions with
            a future ex-date are included if the provider lists them.

        Raises
        ------
        StockcastError
            See `Provider.fetch`.
        """
        ...


@runtime_checkable
class QuoteProvider(Protocol):
    """A provider of current prices."""

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Fetch the current price of one ticker.

        Parameters
        ----------
        reserved_calls
            Number of today's calls that must remain for other purposes; see
            `market.quota.ledger.QuotaLedger.call`. Ignored without a limit per day.

        Raises
        ------
        StockcastError
            See `Provider.fetch`.
        """
        ...


@runtime_checkable
class NotesProvider(Protocol):
    """A provider with notes for the user on the way in which it reads its data."""

    def notes(self) -> tuple[str, ...]:
        """Return sentences on data that was skipped, or read in an unusual format, so far."""
        ...
