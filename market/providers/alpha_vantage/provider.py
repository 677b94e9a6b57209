"""The alpha_vantage provider: which of Alpha Vantage's functions answers which question.

Sending requests and classing refusals is `alpha_vantage_client`, reading answers
`alpha_vantage_answers`, spelling symbols `alpha_vantage_symbols`.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType

import polars as pl
from pydantic import SecretStr

from core.clock import Clock, SystemClock
from core.errors import StockcastError, TierError, UnknownTickerError
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
from market.quota.budgets import Budget, Purpose
from market.quota.ledger import QuotaLedger

_N_NEAR = 3
# How many calls of a day may look for near names while others still need theirs.
_SEARCHES_A_DAY = 3


class AlphaVantageProvider:
    """Daily bars, splits, dividends and quotes of Alpha Vantage.

    Prices and volume are as traded; `adj_close` is always null. A premium key's bars come with
    splits and dividends; a free key's do not, and `fetch_actions` costs it two calls.

    Parameters
    ----------
    key
        Your key; it is in no error, log or representation.
    tier
        What the key may do.
    url
        Base address.
    timeout
        Seconds for one whole answer.
    ledger
        The budget of calls that all processes share.
    clock
        What to wait on; the machine's by default.
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
        clock: Clock | None = None,
    ) -> None:
        self._tier = tier
        self._limits = tier_limits(tier)
        self._timeout = timeout
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
        """The budget of the key."""
        return self._client.budget

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars come without splits and dividends: a free key's do."""
        return not self._limits.has_adjusted

    def tickers(self) -> tuple[str, ...]:
        """Return no tickers: Alpha Vantage cannot list what it has by one call."""
        return ()

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Return bars of one ticker for one call; see `Provider.fetch`.

        Where Alpha Vantage does not know the ticker, near names cost one more call, but no more
        than three a day that others need.
        """
        symbol = _symbol_of(ticker)
        is_compact = session_range is not None and session_range.n_sessions <= COMPACT
        if not is_compact and self._limits.reach is not None:
            wanted = (
                "its whole history"
                if session_range is None
                else f"{session_range.n_sessions} sessions"
            )
            msg = (
                f"{ticker} needs {wanted}, but a {self._tier} key of Alpha Vantage reaches back "
                f"{self._limits.reach} sessions; name another provider in STOCKCAST_BACKUPS, or "
                f"set STOCKCAST_ALPHA_VANTAGE_TIER if your key is premium."
            )
            raise TierError(msg, reach=self._limits.reach)
        adjusted = self._limits.has_adjusted
        try:
            series = _calls().fetch_time_series(
                self._asking("ingest", ticker), symbol, full=not is_compact, adjusted=adjusted
            )
        except UnknownTickerError as error:
            near = self._near(ticker)
            raise UnknownTickerError(error.ticker, _known_to(), near) from None
        return parse_bars(series, ticker=ticker, source=self.name, adjusted=adjusted)

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Return every known split and dividend for two calls; see `ActionsProvider`."""
        symbol = _symbol_of(ticker)
        ask = self._asking("actions", ticker)
        splits = _calls().fetch_splits(ask, symbol)
        dividends = _calls().fetch_dividends(ask, symbol)
        return parse_actions(splits, dividends, ticker=ticker, source=self.name)

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Return the price of one ticker now for one call; see `QuoteProvider.fetch_quote`.

        Somebody waits for the answer, so it waits for a budget no longer than for an answer.

        Parameters
        ----------
        reserved_calls
            Calls of the day to leave for other purposes.
        """
        symbol = _symbol_of(ticker)
        ask = self._asking(
            "quote", ticker, reserved_calls=reserved_calls, max_wait=self._timeout, attempts=2
        )
        requested_at = self._clock.now()
        fields = _calls().fetch_quote_fields(ask, symbol)
        return parse_quote(fields, ticker=ticker, source=self.name, requested_at=requested_at)

    def search(self, words: str, reserved_calls: int = 0) -> list[SymbolMatch]:
        """Return what Alpha Vantage finds for words or a part of a symbol, best first.

        Parameters
        ----------
        words
            A symbol, a name, or a part of one.
        reserved_calls
            Calls of the day to leave for other purposes.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does.
        """
        ask = self._asking(
            "search", reserved_calls=reserved_calls, max_wait=self._timeout, attempts=1
        )
        return parse_matches(_calls().fetch_matches(ask, words), source=self.name)

    def _near(self, ticker: str) -> tuple[str, ...]:
        reserved_calls = max(0, (self.budget.per_day or 0) - _SEARCHES_A_DAY)
        try:
            found = self.search(ticker.partition(".")[0], reserved_calls=reserved_calls)
        except StockcastError:
            # The unknown ticker is the news; a search that failed would hide it.
            return ()
        return tuple(match.ticker for match in found if match.ticker != ticker)[:_N_NEAR]

    def _asking(
        self,
        purpose: Purpose,
        ticker: str = "",
        *,
        reserved_calls: int = 0,
        max_wait: float = float("inf"),
        attempts: int = 3,
    ) -> partial[dict[str, object]]:
        options = CallOptions(
            purpose, ticker, reserved_calls=reserved_calls, max_wait=max_wait, attempts=attempts
        )
        return partial(self._client.ask, options)


def _symbol_of(ticker: str) -> str:
    symbol = symbol_of(ticker)
    if symbol is None:
        known_to = f"{_known_to()}, which has shares and funds of some exchanges alone"
        raise UnknownTickerError(ticker, known_to)
    return symbol


def _known_to() -> str:
    return f"the {AlphaVantageProvider.name} provider"


def _calls() -> ModuleType:
    from market.providers.alpha_vantage import functions as alpha_vantage_calls  # noqa: PLC0415  # brings pandas: a second

    return alpha_vantage_calls
