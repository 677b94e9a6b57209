"""Questions to Yahoo through yfinance's own code. What the answers mean is `yahoo_bars`.

Importing this takes a second and needs the extra `yahoo`.
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

# Our columns in yfinance's words.
_COLUMNS = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "dividend": "Dividends",
    "split": "Stock Splits",
}
# What we take of what comes beside prices; another name there would cost a call.
_TOLD = (
    "chartPreviousClose",
    "currentTradingPeriod",
    "previousClose",
    "regularMarketPrice",
    "regularMarketTime",
    "regularMarketVolume",
)
_N_NEAR = 3
# What yfinance ends in when an answer is of another shape.
_UNREADABLE = (YFException, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
# Cookies that yfinance keeps in files are pickles, which no process here opens: where there can
# be no folder, it keeps them in memory.
_NO_FOLDER = "/dev/null/yfinance"


class YahooClient:
    """Asks questions by yfinance, again where that helps; any number of threads may.

    Parameters
    ----------
    url, timeout, budget, ledger
        See `YahooSession`.
    clock
        What waiting between attempts sleeps on.
    """

    def __init__(
        self, *, url: str, timeout: float, budget: Budget, ledger: QuotaLedger, clock: Clock
    ) -> None:
        self._session = YahooSession(url=url, timeout=timeout, budget=budget, ledger=ledger)
        self._clock = clock
        _set_up()

    def daily_bars(
        self, request: YahooRequest, since: date | None
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        """Return what Yahoo has since a date, or at all, and what it tells beside it.

        Prices, volume and dividends are adjusted for splits up to now; `split` is 0 without one.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does.
        """
        # From the day before, because midnight in UTC may be in the middle of a session.
        known: dict[str, Any] = (
            {"period": "max"} if since is None else {"start": since - timedelta(days=1)}
        )
        return self._ask(request, known)

    def current_metadata(self, request: YahooRequest) -> Mapping[str, Any]:
        """Return what Yahoo tells about the present: price, time and volume among it.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does.
        """
        return self._ask(request, {"period": "1d"})[1]

    def similar_symbols(self, request: YahooRequest) -> tuple[str, ...]:
        """Return the symbols that Yahoo finds for a ticker it does not have; none when it fails."""
        try:
            with self._session.on(request):
                found = yfinance.Search(
                    request.ticker,
                    max_results=_N_NEAR,
                    news_count=0,
                    lists_count=0,
                    enable_fuzzy_query=True,
                    session=self._session,
                )
            return tuple(str(row["symbol"]) for row in found.quotes)[:_N_NEAR]
        except (StockcastError, RequestException, *_UNREADABLE):
            # The unknown ticker is the news; a search that failed would hide it.
            return ()

    def _ask(
        self, request: YahooRequest, stretch: Mapping[str, Any]
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        retrying = Retrying(
            stop=stop_after_attempt(request.attempts),
            wait=wait_exponential_jitter(initial=1, max=30, jitter=2),
            retry=retry_if_exception_type(ProviderDownError),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._ask_once, request, stretch)

    def _ask_once(
        self, request: YahooRequest, stretch: Mapping[str, Any]
    ) -> tuple[pl.DataFrame, Mapping[str, Any]]:
        # yfinance's `Ticker` would spend a call more on the time zone, which any answer tells.
        prices = PriceHistory(
            YfData(session=self._session), request.symbol, "UTC", session=self._session
        )
        with self._session.on(request):
            try:
                frame = prices.history(interval="1d", auto_adjust=False, **stretch)
            except YFPricesMissingError:
                return _no_rows(), {}
            except _UNREADABLE as error:
                kind = type(error).__name__
                msg = f"Yahoo's answer about {request.symbol} cannot be read ({kind}: {error})."
                raise ProviderDownError(msg) from error
        rows: dict[str, Any] = {"session": [stamp.date() for stamp in frame.index]}
        rows |= {ours: frame[theirs].to_numpy() for ours, theirs in _COLUMNS.items()}
        table = pl.DataFrame(rows, schema_overrides=_no_rows().schema, nan_to_null=True)
        told = prices.get_history_metadata()
        return table, {name: told[name] for name in _TOLD if name in told}


def _no_rows() -> pl.DataFrame:
    kinds = {name: pl.Float64() for name in _COLUMNS}
    return pl.DataFrame(schema={"session": pl.Date(), **kinds})


@cache
def _set_up() -> None:
    yfinance.set_tz_cache_location(_NO_FOLDER)
    yfinance.config.debug.hide_exceptions = False
    # What fails is raised, and told by us.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
