"""HTTP session for yfinance: address, budget, timeouts, and refusals as errors.

Importing this module requires the extra `yahoo`.
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
# Timeout for cookies and crumbs. Most requests succeed without them.
_COOKIE_TIMEOUT = 5.0
_SHOWN_LENGTH = 200


@dataclass
class _Attempt:
    """One attempt at a request. yfinance may send several HTTP requests for it."""

    request: YahooRequest
    was_refused: bool = False


_attempt: ContextVar[_Attempt] = ContextVar("attempt")


class YahooSession(requests.Session[requests.Response]):
    """HTTP session for yfinance. It raises errors that yfinance would suppress.

    Parameters
    ----------
    url
        Address that replaces the host of every request. The official address replaces none.
    timeout
        Timeout of one whole response in seconds.
    budget
        Limits that Yahoo tolerates.
    ledger
        Records every HTTP request before it is sent.
    """

    def __init__(self, *, url: str, timeout: float, budget: Budget, ledger: QuotaLedger) -> None:
        # Yahoo refuses clients with another TLS handshake than that of a browser.
        super().__init__(impersonate="chrome")
        self._url = url
        self._timeout = timeout
        self._budget = budget
        self._ledger = ledger
        self._cookie_response: requests.Response | None = None

    @contextmanager
    def on(self, request: YahooRequest) -> Iterator[None]:
        """Count the HTTP requests of this context and thread as one attempt at `request`."""
        token = _attempt.set(_Attempt(request))
        try:
            yield
        finally:
            _attempt.reset(token)

    def request(  # type: ignore[override]  # yfinance passes keywords only
        self,
        method: HttpMethod,
        url: str,
        **options: Any,  # noqa: ANN401  # curl's own
    ) -> requests.Response:
        """Send one HTTP request within the budget, and check a response with prices."""
        request = _attempt.get().request
        if url == _COOKIE_URL and self._cookie_response is not None and len(self.cookies):
            # Without a cookie file, yfinance would fetch a cookie before each request.
            return self._cookie_response
        is_chart = urlsplit(url).path.startswith(_CHART)
        options["timeout"] = self._timeout if is_chart else min(self._timeout, _COOKIE_TIMEOUT)
        with self._ledger.call(
            self._budget, purpose=request.purpose, ticker=request.ticker, max_wait=request.max_wait
        ):
            try:
                response = super().request(method, self._address_of(url), **options)
            except RequestException as error:
                if not is_chart:
                    # yfinance continues without a cookie.
                    raise
                raise self._down(error) from None
        if is_chart:
            self._check(response, _attempt.get())
        elif url == _COOKIE_URL:
            self._cookie_response = response
        return response

    def _address_of(self, url: str) -> str:
        if self._url == OFFICIAL_URL:
            return url
        parts = urlsplit(url)
        return self._url + url.removeprefix(f"{parts.scheme}://{parts.netloc}")

    def _down(self, error: RequestException) -> ProviderDownError:
        if isinstance(error, Timeout):
            return ProviderDownError(
                f"Yahoo sent no complete response within {self._timeout:g} s; "
                f"STOCKCAST_PROVIDER_TIMEOUT sets this limit."
            )
        host, kind = urlsplit(self._url).hostname, type(error).__name__
        return ProviderDownError(
            f"Yahoo cannot be reached at {host}, or closed the connection ({kind})."
        )

    def _check(self, response: requests.Response, attempt: _Attempt) -> None:
        status = response.status_code
        if status in {401, 403} and not attempt.was_refused:
            # yfinance retries once with a new cookie and crumb.
            attempt.was_refused = True
            self._cookie_response = None
            return
        if status == 429:  # noqa: PLR2004
            renews_at = self._ledger.record_refusal(self._budget, until_day_ends=False)
            msg = (
                f"Yahoo refuses more requests from this address (HTTP 429); "
                f"the next request is allowed at {renews_at:%Y-%m-%d %H:%M:%S} UTC."
            )
            raise QuotaError(msg, renews_at=renews_at)
        if status >= 500 or status in {401, 403, 408, 425}:  # noqa: PLR2004
            msg = f"Yahoo failed with HTTP {status}; try again later."
            raise ProviderDownError(msg)
        chart = _chart_of(response)
        if chart is None and status != 200:  # noqa: PLR2004
            msg = (
                f"Yahoo returned HTTP {status}, expected 200; check the address in "
                f"STOCKCAST_YAHOO_URL."
            )
            raise BarsError(msg)
        if chart is None:
            text = response.text[:_SHOWN_LENGTH]
            msg = f"Yahoo sent an incomplete response or invalid JSON: {text!r}."
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
        code, message = str(error.get("code")), str(error.get("description"))[:_SHOWN_LENGTH]
        if code == "Not Found":
            raise UnknownTickerError(request.ticker, "the yahoo provider")
        if message.startswith("Data doesn't exist"):
            raise YFPricesMissingError(request.symbol, message)
        if code in {"Bad Request", "Unprocessable Entity"}:
            msg = f"Yahoo rejected the request about {request.symbol}: {message!r}."
            raise BarsError(msg)
        msg = f"Yahoo failed: {code}, {message!r}; try again later."
        raise ProviderDownError(msg)
    try:
        symbol = str(chart["result"][0]["meta"]["symbol"])
    except (LookupError, TypeError):
        msg = "Yahoo sent a response without prices and without a reason; try again later."
        raise ProviderDownError(msg) from None
    if symbol.upper() != request.symbol:
        msg = f"Yahoo sent a response about {symbol!r}, expected {request.symbol!r}."
        raise BarsError(msg)
