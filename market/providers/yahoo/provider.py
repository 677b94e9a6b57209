"""The yahoo provider: bars, splits, dividends and quotes by yfinance, without a key.

Asking yfinance is `yahoo_client`, its requests `yahoo_session`, bars as traded `yahoo_bars`.
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import SettingsError, UnknownTickerError
from market.calendars.exchanges import exchange_of
from market.providers.protocol import ACTIONS_SCHEMA, Quote, SessionRange
from market.providers.yahoo.limits import BUDGET
from market.providers.yahoo.parsing import to_quote, to_traded_bars
from market.providers.yahoo.request import YahooRequest
from market.quota.budgets import Budget, Purpose
from market.quota.ledger import QuotaLedger

if TYPE_CHECKING:
    from market.providers.yahoo.client import YahooClient

_CLASS = re.compile(r"\.[A-Z]$")


class YahooProvider:
    """Daily bars of Yahoo Finance, with their splits and dividends.

    Prices, volume and dividends are as traded: the adjustment for splits that Yahoo makes is
    undone. `adj_close` is always null.

    Parameters
    ----------
    url
        Base address; all requests go there unless it is the official one.
    timeout
        Seconds for one whole answer.
    ledger
        The budget of calls that all processes share.
    clock
        What to wait on; the machine's by default.

    Raises
    ------
    SettingsError
        When yfinance is not installed.
    """

    name = "yahoo"
    budget: Budget = BUDGET
    has_separate_actions = False

    def __init__(
        self, *, url: str, timeout: float, ledger: QuotaLedger, clock: Clock | None = None
    ) -> None:
        if find_spec("yfinance") is None:
            msg = (
                "`provider` or `backups` name 'yahoo', but yfinance is not installed; "
                "pip install 'stockcast[yahoo]', or take yahoo out."
            )
            raise SettingsError(msg)
        self._url = url
        self._timeout = timeout
        self._ledger = ledger
        self._clock = clock or SystemClock()

    def tickers(self) -> tuple[str, ...]:
        """Return no tickers: Yahoo cannot list what it has."""
        return ()

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Return bars of one ticker for one call; see `Provider.fetch`.

        Where Yahoo does not know the ticker, near names cost one more call.
        """
        return self._bars("ingest", ticker, session_range)

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Return every split and dividend so far; see `ActionsProvider.fetch_actions`."""
        happened = (pl.col("split_factor") != 1.0) | (pl.col("dividend") != 0.0)
        bars = self._bars("actions", ticker, None)
        return bars.filter(happened).select(ACTIONS_SCHEMA.names())

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:  # noqa: ARG002
        """Return the price of one ticker now; see `QuoteProvider.fetch_quote`.

        Somebody waits for the answer, so it waits for the budget no longer than for an answer.

        Parameters
        ----------
        reserved_calls
            Of no meaning here: a day has no limit.
        """
        request = YahooRequest("quote", ticker, symbol_of(ticker), self._timeout, attempts=2)
        requested_at = self._clock.now()
        about = self._client.current_metadata(request)
        return to_quote(about, ticker=ticker, source=self.name, requested_at=requested_at)

    def _bars(
        self, purpose: Purpose, ticker: str, session_range: SessionRange | None
    ) -> pl.DataFrame:
        symbol, since = symbol_of(ticker), None if session_range is None else session_range.start
        try:
            table, about = self._client.daily_bars(YahooRequest(purpose, ticker, symbol), since)
        except UnknownTickerError as error:
            near = self._client.similar_symbols(
                YahooRequest("search", ticker, symbol, self._timeout)
            )
            raise UnknownTickerError(error.ticker, f"the {self.name} provider", near) from None
        if table.is_empty() and session_range is None:
            raise UnknownTickerError(ticker, f"the {self.name} provider")
        now = self._clock.now()
        return to_traded_bars(table, about, ticker=ticker, source=self.name, now=now)

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


def symbol_of(ticker: str) -> str:
    """Return Yahoo's spelling of a ticker: classes of shares have a dash, as in ``BRK-B``.

    Suffixes of exchanges are Yahoo's own already.
    """
    if _CLASS.search(ticker) and not exchange_of(ticker, default=""):
        return ticker.replace(".", "-")
    return ticker
