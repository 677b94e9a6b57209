"""Requests to Yahoo as yfinance makes them: address, budget, time-outs, refusals as errors.

What the answers hold is `yahoo_bars`; which question needs which request is `yahoo_client`.
Importing this needs the extra `yahoo`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from curl_cffi import requests
from curl_cffi.requests.exceptions import RequestException, Timeout
from curl_cffi.requests.session import HttpMethod
from yfinance.exceptions import YFPricesMissingError

from core.errors import BarsError, ProviderDownError, QuotaError, UnknownTickerError
from market.providers.yahoo.request import YahooRequest
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

OFFICIAL_URL = "https://query2.finance.yahoo.com"

_COOKIE_URL = "https://fc.yahoo.com"
_CHART = "/v8/finance/chart/"
# Cookies and crumbs are worth no long wait: most questions are answered without them.
_SIDE_SECONDS = 5.0
_SHOWN_LENGTH = 200


@dataclass
class _Attempt:
    """One attempt to get an answer, which may take several requests."""

    request: YahooRequest
    was_refused: bool = False


_attempt: ContextVar[_Attempt] = ContextVar("attempt")


class YahooSession(requests.Session[requests.Response]):
    """What yfinance sends its requests through; it raises what yfinance would swallow.

    Parameters
    ----------
    url
        Where all requests go, whichever host of Yahoo they are for. The official address leaves
        each at its own.
    timeout
        Seconds for one whole answer.
    budget
        What Yahoo is known to bear.
    ledger
        Where every request is entered before it is made.
    """

    def __init__(self, *, url: str, timeout: float, budget: Budget, ledger: QuotaLedger) -> None:
        # Yahoo refuses clients that do not shake hands as browsers do.
        super().__init__(impersonate="chrome")
        self._url = url
        self._seconds = timeout
        self._budget = budget
        self._ledger = ledger
        self._greeting: requests.Response | None = None

    @contextmanager
    def on(self, request: YahooRequest) -> Iterator[None]:
        """Make the requests of this context, in this thread, as one attempt at an request."""
        token = _attempt.set(_Attempt(request))
        try:
            yield
        finally:
            _attempt.reset(token)

    def request(  # type: ignore[override]  # yfinance passes names alone
        self,
        method: HttpMethod,
        url: str,
        **options: Any,  # noqa: ANN401  # curl's own
    ) -> requests.Response:
        """Make one request within the budget; what answers about prices is checked."""
        request = _attempt.get().request
        if url == _COOKIE_URL and self._greeting is not None and len(self.cookies):
            # Without files of its own, yfinance would fetch a cookie before each question.
            return self._greeting
        is_chart = urlsplit(url).path.startswith(_CHART)
        options["timeout"] = self._seconds if is_chart else min(self._seconds, _SIDE_SECONDS)
        with self._ledger.call(
            self._budget, purpose=request.purpose, ticker=request.ticker, max_wait=request.max_wait
        ):
            try:
                response = super().request(method, self._address_of(url), **options)
            except RequestException as error:
                if not is_chart:
                    # yfinance goes on without a cookie.
                    raise
                raise self._down(error) from None
        if is_chart:
            self._check(response, _attempt.get())
        elif url == _COOKIE_URL:
            self._greeting = response
        return response

    def _address_of(self, url: str) -> str:
        if self._url == OFFICIAL_URL:
            return url
        parts = urlsplit(url)
        return self._url + url.removeprefix(f"{parts.scheme}://{parts.netloc}")

    def _down(self, error: RequestException) -> ProviderDownError:
        if isinstance(error, Timeout):
            return ProviderDownError(
                f"Yahoo did not answer within {self._seconds:g} s; "
                f"STOCKCAST_PROVIDER_TIMEOUT is how long it may take."
            )
        host, kind = urlsplit(self._url).hostname, type(error).__name__
        return ProviderDownError(f"Yahoo cannot be reached at {host}, or hung up ({kind}).")

    def _check(self, response: requests.Response, attempt: _Attempt) -> None:
        status = response.status_code
        if status in {401, 403} and not attempt.was_refused:
            # yfinance asks once more with a new cookie and crumb.
            attempt.was_refused = True
            self._greeting = None
            return
        if status == 429:  # noqa: PLR2004
            renews_at = self._ledger.record_refusal(self._budget, until_day_ends=False)
            msg = (
                f"Yahoo refuses more requests from this address (HTTP 429); "
                f"it is asked again at {renews_at:%Y-%m-%d %H:%M:%S} UTC at the earliest."
            )
            raise QuotaError(msg, renews_at=renews_at)
        if status >= 500 or status in {401, 403, 408, 425}:  # noqa: PLR2004
            msg = f"Yahoo failed with HTTP {status}; it may answer later."
            raise ProviderDownError(msg)
        chart = _chart_of(response)
        if chart is None and status != 200:  # noqa: PLR2004
            msg = (
                f"Yahoo answered HTTP {status} instead of 200; STOCKCAST_YAHOO_URL is the address "
                f"that was asked: check it."
            )
            raise BarsError(msg)
        if chart is None:
            msg = f"Yahoo sent half an answer, or no JSON: {response.text[:_SHOWN_LENGTH]!r}."
            raise ProviderDownError(msg)
        _check_chart(chart, attempt.request)


def _chart_of(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    chart = body.get("chart") if isinstance(body, dict) else None
    return chart if isinstance(chart, dict) else None


def _check_chart(chart: dict[str, Any], request: YahooRequest) -> None:
    error = chart.get("error")
    if error:
        code, said = str(error.get("code")), str(error.get("description"))[:_SHOWN_LENGTH]
        if code == "Not Found":
            raise UnknownTickerError(request.ticker, "the yahoo provider")
        if said.startswith("Data doesn't exist"):
            raise YFPricesMissingError(request.symbol, said)
        if code in {"Bad Request", "Unprocessable Entity"}:
            msg = f"Yahoo does not accept what was asked about {request.symbol}: {said!r}."
            raise BarsError(msg)
        msg = f"Yahoo failed: {code}, {said!r}; it may answer later."
        raise ProviderDownError(msg)
    try:
        symbol = str(chart["result"][0]["meta"]["symbol"])
    except (LookupError, TypeError):
        msg = "Yahoo sent an answer without prices and without a reason; it may answer later."
        raise ProviderDownError(msg) from None
    if symbol.upper() != request.symbol:
        msg = f"Yahoo sent an answer about {symbol!r}, but {request.symbol!r} was asked for."
        raise BarsError(msg)
