"""The `yahoo` provider. It needs no key."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import SettingsError, UnknownTickerError
from market.calendars.sessions import Sessions
from market.calendars.suffixes import us_security
from market.providers.protocol import ACTIONS_SCHEMA, Quote, SessionRange
from market.providers.yahoo.limits import BUDGET
from market.providers.yahoo.parsing import to_quote, to_traded_bars
from market.providers.yahoo.request import YahooRequest
from market.quota.budgets import Budget, Purpose
from market.quota.ledger import QuotaLedger

if TYPE_CHECKING:
    from market.providers.yahoo.client import YahooClient

# Yahoo's spelling of kinds of US securities.
_KINDS = {"": "", "PR": "P", "WS": "WT", "RT": "RI", "UN": "UN", "U": "UN", "CL": "CL"}


class YahooProvider:
    """Daily bars, splits, dividends and quotes of Yahoo Finance.

    Prices, volume and dividends are as traded: Yahoo's adjustment for splits is reversed.
    `adj_close` is always null. Bars include splits and dividends.

    Parameters
    ----------
    url
        Base address of all requests. With the official address, yfinance chooses the host.
    timeout
        Timeout of one whole response in seconds.
    ledger
        Quota ledger that all processes share.
    sessions_of
        Returns the sessions of a ticker's exchange, which decides whether a letter is a share class
        or a suffix. By default the suffix decides.
    clock
        Clock for waits; the system clock by default.

    Raises
    ------
    SettingsError
        If yfinance is not installed.
    """

    name = "yahoo"
    budget: Budget = BUDGET
    has_separate_actions = False

    def __init__(
        self,
        *,
        url: str,
        timeout: float,
        ledger: QuotaLedger,
        sessions_of: Callable[[str], Sessions] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if find_spec("yfinance") is None:
            msg = (
                "STOCKCAST_PROVIDER or STOCKCAST_BACKUPS names 'yahoo', but yfinance is not "
                "installed; run `pip install 'stockcast[yahoo]'`, or remove 'yahoo'."
            )
            raise SettingsError(msg)
        self._url = url
        self._timeout = timeout
        self._ledger = ledger
        self._sessions_of = sessions_of
        self._clock = clock or SystemClock()

    def tickers(self) -> tuple[str, ...]:
        """Return an empty tuple: Yahoo cannot list its tickers."""
        return ()

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Fetch the daily bars of one ticker for one call; see `Provider.fetch`.

        For an unknown ticker, a search for similar tickers uses one more call.
        """
        return self._bars("ingest", ticker, session_range)

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Fetch all past splits and dividends; see `ActionsProvider.fetch_actions`."""
        has_action = (pl.col("split_factor") != 1.0) | (pl.col("dividend") != 0.0)
        bars = self._bars("actions", ticker, None)
        return bars.filter(has_action).select(ACTIONS_SCHEMA.names())

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:  # noqa: ARG002
        """Fetch the current price of one ticker; see `QuoteProvider.fetch_quote`.

        A quote is requested interactively, so the wait for the budget is limited to `timeout`.
        `reserved_calls` is ignored, because the budget has no limit per day.
        """
        request = YahooRequest("quote", ticker, self._symbol(ticker), self._timeout, attempts=2)
        requested_at = self._clock.now()
        metadata = self._client.current_metadata(request)
        return to_quote(metadata, ticker=ticker, source=self.name, requested_at=requested_at)

    def _bars(
        self, purpose: Purpose, ticker: str, session_range: SessionRange | None
    ) -> pl.DataFrame:
        symbol = self._symbol(ticker)
        start = None if session_range is None else session_range.start
        try:
            table, metadata = self._client.daily_bars(YahooRequest(purpose, ticker, symbol), start)
        except UnknownTickerError as error:
            similar = self._client.similar_symbols(
                YahooRequest("search", ticker, symbol, self._timeout)
            )
            raise UnknownTickerError(error.ticker, f"the {self.name} provider", similar) from None
        if table.is_empty() and session_range is None:
            raise UnknownTickerError(ticker, f"the {self.name} provider")
        now = self._clock.now()
        return to_traded_bars(table, metadata, ticker=ticker, source=self.name, now=now)

    def _symbol(self, ticker: str) -> str:
        # Another provider may have shown the exchange since the last request.
        exchange = None if self._sessions_of is None else self._sessions_of(ticker).exchange
        return symbol_of(ticker, exchange)

    @cached_property
    def _client(self) -> YahooClient:
        from market.providers.yahoo.client import YahooClient  # noqa: PLC0415  # a second; an extra

        return YahooClient(
            url=self._url,
            timeout=self._timeout,
            budget=self.budget,
            ledger=self._ledger,
            clock=self._clock,
        )


def symbol_of(ticker: str, exchange: str | None = None) -> str:
    """Return Yahoo's spelling of a ticker.

    US share classes and series have a dash: ``BRK-B``, ``WFC-PL``, ``ABC-WT``. Our suffixes of
    exchanges are those of Yahoo.

    Parameters
    ----------
    exchange
        See `market.calendars.suffixes.us_security`.
    """
    parts = us_security(ticker, exchange)
    if parts is None:
        return ticker
    base, kind, letter = parts
    return f"{base}-{_KINDS[kind]}{letter}"
