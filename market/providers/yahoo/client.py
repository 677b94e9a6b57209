"""Client of Yahoo Finance on top of yfinance.

Importing this module takes a second and requires the extra `yahoo`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl
import yfinance
from curl_cffi.requests.exceptions import RequestException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFPricesMissingError
from yfinance.scrapers.history import PriceHistory

from core.clock import Clock
from core.errors import ProviderDownError, StockcastError
from market.providers.yahoo.request import YahooRequest
from market.providers.yahoo.transport import YahooSession
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

# Our columns -> those of yfinance.
_COLUMNS = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "dividend": "Dividends",
    "split": "Stock Splits",
}
# Metadata that arrive with prices. Any other field would cost yfinance another request.
_METADATA = (
    "chartPreviousClose",
    "currentTradingPeriod",
    "previousClose",
    "regularMarketPrice",
    "regularMarketTime",
    "regularMarketVolume",
)
_MAX_SIMILAR = 3
# Errors of yfinance for a response with an unexpected structure.
_UNREADABLE = (YFException, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
# yfinance stores cookies as pickle files, which must not be opened here. With a folder that cannot
# exist, it keeps them in memory.
_NO_FOLDER = "/dev/null/yfinance"


class YahooClient:
    """Client with retries; any number of threads can use it.

    Parameters
    ----------
    url, timeout, budget, ledger
        See `market.providers.yahoo.transport.YahooSession`.
    clock
        Clock for the waits between attempts.
    """

    def __init__(
        self, *, url: str, timeout: float, budget: Budget, ledger: QuotaLedger, clock: Clock
    ) -> None:
        self._session = YahooSession(url=url, timeout=timeout, budget=budget, ledger=ledger)
        self._clock = clock
        _set_up()

    def daily_bars(
        self, request: YahooRequest, start: date | None
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        """Fetch daily rows and their metadata.

        Parameters
        ----------
        start
            First date. None fetches the whole history.

        Returns
        -------
        tuple
            Rows with `session`, prices, `volume`, `dividend` and `split`, adjusted for all splits
            up to now, where `split` is 0 on a session without a split; and the metadata.

        Raises
        ------
        StockcastError
            See `market.providers.protocol.Provider.fetch`.
        """
        # One day earlier, because midnight in UTC may be in the middle of a session.
        period: dict[str, Any] = (
            {"period": "max"} if start is None else {"start": start - timedelta(days=1)}
        )
        return self._fetch(request, period)

    def current_metadata(self, request: YahooRequest) -> Mapping[str, Any]:
        """Fetch the current metadata, such as price, time and volume of the last trade.

        Raises
        ------
        StockcastError
            See `market.providers.protocol.Provider.fetch`.
        """
        return self._fetch(request, {"period": "1d"})[1]

    def similar_symbols(self, request: YahooRequest) -> tuple[str, ...]:
        """Return symbols similar to an unknown ticker, or none if the search fails."""
        try:
            with self._session.on(request):
                search = yfinance.Search(
                    request.ticker,
                    max_results=_MAX_SIMILAR,
                    news_count=0,
                    lists_count=0,
                    enable_fuzzy_query=True,
                    session=self._session,
                )
            return tuple(str(row["symbol"]) for row in search.quotes)[:_MAX_SIMILAR]
        except (StockcastError, RequestException, *_UNREADABLE):
            # The caller reports the unknown ticker. The error of the search would hide it.
            return ()

    def _fetch(
        self, request: YahooRequest, period: Mapping[str, Any]
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        retrying = Retrying(
            stop=stop_after_attempt(request.attempts),
            wait=wait_exponential_jitter(initial=1, max=30, jitter=2),
            retry=retry_if_exception_type(ProviderDownError),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._fetch_once, request, period)

    def _fetch_once(
        self, request: YahooRequest, period: Mapping[str, Any]
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        # yfinance's `Ticker` would use one more call for the time zone, which every response has.
        prices = PriceHistory(
            YfData(session=self._session), request.symbol, "UTC", session=self._session
        )
        with self._session.on(request):
            try:
                frame = prices.history(interval="1d", auto_adjust=False, **period)
            except YFPricesMissingError:
                return _no_rows(), {}
            except _UNREADABLE as error:
                kind = type(error).__name__
                msg = f"Yahoo's response about {request.symbol} cannot be parsed ({kind}: {error})."
                raise ProviderDownError(msg) from error
        rows: dict[str, Any] = {"session": [stamp.date() for stamp in frame.index]}
        rows |= {name: frame[field].to_numpy() for name, field in _COLUMNS.items()}
        table = pl.DataFrame(rows, schema_overrides=_no_rows().schema, nan_to_null=True)
        metadata = prices.get_history_metadata()
        return table, {name: metadata[name] for name in _METADATA if name in metadata}


def _no_rows() -> pl.DataFrame:
    types = {name: pl.Float64() for name in _COLUMNS}
    return pl.DataFrame(schema={"session": pl.Date(), **types})


@cache
def _set_up() -> None:
    yfinance.set_tz_cache_location(_NO_FOLDER)
    yfinance.config.debug.hide_exceptions = False
    # Failures are raised as our errors, so the log messages of yfinance would repeat them.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
