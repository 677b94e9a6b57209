"""The `alpha_vantage` provider."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import polars as pl
from pydantic import SecretStr

from core.clock import Clock, SystemClock
from core.errors import StockcastError, TierError, UnknownTickerError
from market.calendars.sessions import Sessions
from market.providers.alpha_vantage.client import AlphaVantageClient, CallOptions
from market.providers.alpha_vantage.parsing import (
    SymbolMatch,
    parse_actions,
    parse_bars,
    parse_matches,
    parse_quote,
)
from market.providers.alpha_vantage.symbols import symbol_of
from market.providers.alpha_vantage.tiers import COMPACT, Tier, tier_limits
from market.providers.protocol import Quote, SessionRange
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

_MAX_SIMILAR = 3
# Searches for similar tickers per day while calls of other purposes are reserved.
_SEARCHES_PER_DAY = 3


class AlphaVantageProvider:
    """Daily bars, splits, dividends and quotes of Alpha Vantage.

    Prices and volume are as traded. `adj_close` is always null. Bars of a premium key include
    splits and dividends. With a free key, `fetch_actions` fetches them for two calls.

    Parameters
    ----------
    key
        Never part of an error, a log or a representation.
    tier
        Tier of the key.
    url
        Base address.
    timeout
        Timeout of one whole response in seconds.
    ledger
        Quota ledger that all processes share.
    sessions_of
        Returns the sessions of a ticker's exchange, which decides whether a letter is a share class
        or a suffix. By default the suffix decides.
    clock
        Clock for waits; the system clock by default.
    """

    name = "alpha_vantage"

    def __init__(
        self,
        *,
        key: str,
        tier: Tier,
        url: str,
        timeout: float,
        ledger: QuotaLedger,
        sessions_of: Callable[[str], Sessions] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._tier = tier
        self._limits = tier_limits(tier)
        self._timeout = timeout
        self._sessions_of = sessions_of
        self._clock = clock or SystemClock()
        self._client = AlphaVantageClient(
            key=SecretStr(key),
            tier=tier,
            url=url,
            timeout=timeout,
            ledger=ledger,
            clock=self._clock,
        )

    @property
    def budget(self) -> Budget:
        """Budget of the key."""
        return self._client.budget

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars lack splits and dividends, as with a free key."""
        return not self._limits.has_adjusted

    def tickers(self) -> tuple[str, ...]:
        """Return an empty tuple: Alpha Vantage cannot list its tickers in one call."""
        return ()

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Fetch the daily bars of one ticker for one call; see `Provider.fetch`.

        For an unknown ticker, a search for similar tickers uses one more call. At most three
        searches per day use calls that other purposes may need.
        """
        symbol = self._require_symbol(ticker)
        is_compact = session_range is not None and session_range.n_sessions <= COMPACT
        if not is_compact:
            self._check_reach(ticker, session_range)
        adjusted = self._limits.has_adjusted
        send = self._sender(CallOptions("ingest", ticker))
        try:
            series = _functions().fetch_time_series(
                send, symbol, full=not is_compact, adjusted=adjusted
            )
        except UnknownTickerError as error:
            similar = self._similar_tickers(ticker)
            raise UnknownTickerError(error.ticker, _description(), similar) from None
        return parse_bars(series, ticker=ticker, source=self.name, adjusted=adjusted)

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Fetch all splits and dividends for two calls; see `ActionsProvider.fetch_actions`."""
        symbol = self._require_symbol(ticker)
        send = self._sender(CallOptions("actions", ticker))
        splits = _functions().fetch_splits(send, symbol)
        dividends = _functions().fetch_dividends(send, symbol)
        return parse_actions(splits, dividends, ticker=ticker, source=self.name)

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Fetch the current price of one ticker for one call; see `QuoteProvider.fetch_quote`.

        A quote is requested interactively, so the wait for the budget is limited to `timeout`.
        """
        symbol = self._require_symbol(ticker)
        options = CallOptions(
            "quote", ticker, reserved_calls=reserved_calls, max_wait=self._timeout, attempts=2
        )
        requested_at = self._clock.now()
        fields = _functions().fetch_quote_fields(self._sender(options), symbol)
        return parse_quote(fields, ticker=ticker, source=self.name, requested_at=requested_at)

    def search(self, words: str, reserved_calls: int = 0) -> list[SymbolMatch]:
        """Search for symbols, best match first.

        Parameters
        ----------
        words
            A symbol, the name of a company, or a part of either.
        reserved_calls
            Number of today's calls that must remain for other purposes.

        Raises
        ------
        StockcastError
            See `Provider.fetch`.
        """
        options = CallOptions(
            "search", reserved_calls=reserved_calls, max_wait=self._timeout, attempts=1
        )
        rows = _functions().fetch_matches(self._sender(options), words)
        return parse_matches(rows, source=self.name)

    def _require_symbol(self, ticker: str) -> str:
        # Another provider may have shown the exchange since the last request.
        exchange = None if self._sessions_of is None else self._sessions_of(ticker).exchange
        symbol = symbol_of(ticker, exchange)
        if symbol is None:
            known_to = f"{_description()}, which has only shares and funds of some exchanges"
            raise UnknownTickerError(ticker, known_to)
        return symbol

    def _check_reach(self, ticker: str, session_range: SessionRange | None) -> None:
        reach = self._limits.reach
        if reach is None:
            return
        needed = (
            "its whole history" if session_range is None else f"{session_range.n_sessions} sessions"
        )
        msg = (
            f"{ticker} needs {needed}, but a {self._tier} key of Alpha Vantage reaches back "
            f"{reach} sessions; add another provider to STOCKCAST_BACKUPS, or set "
            f"STOCKCAST_ALPHA_VANTAGE_TIER if your key is premium."
        )
        raise TierError(msg, reach=reach)

    def _similar_tickers(self, ticker: str) -> tuple[str, ...]:
        reserved_calls = max(0, (self.budget.per_day or 0) - _SEARCHES_PER_DAY)
        try:
            matches = self.search(ticker.partition(".")[0], reserved_calls=reserved_calls)
        except StockcastError:
            # The caller reports the unknown ticker. The error of the search would hide it.
            return ()
        return tuple(match.ticker for match in matches if match.ticker != ticker)[:_MAX_SIMILAR]

    def _sender(self, options: CallOptions) -> partial[dict[str, Any]]:
        return partial(self._client.request, options)


def _description() -> str:
    return f"the {AlphaVantageProvider.name} provider"


def _functions() -> ModuleType:
    from market.providers.alpha_vantage import functions  # noqa: PLC0415  # imports pandas: a second

    return functions
