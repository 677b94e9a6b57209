"""Client of Alpha Vantage: requests within the budget, refusals as errors, and retries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import requests
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from core.clock import Clock
from core.errors import (
    BarsError,
    ProviderDownError,
    ProviderKeyError,
    QuotaError,
    TierError,
    UnknownTickerError,
)
from market.providers.alpha_vantage.parsing import parse_object
from market.providers.alpha_vantage.refusals import (
    classify_refusal,
    refusal_message,
    shorten_message,
)
from market.providers.alpha_vantage.tiers import COMPACT, Tier, key_budget
from market.providers.alpha_vantage.transport import Transport
from market.quota.budgets import Purpose
from market.quota.ledger import QuotaLedger

# For each function: the field with the data, its type, and the path of the symbol in the response.
_SHAPES: dict[str, tuple[str, type, tuple[str, ...]]] = {
    "TIME_SERIES_DAILY": ("Time Series (Daily)", dict, ("Meta Data", "2. Symbol")),
    "TIME_SERIES_DAILY_ADJUSTED": ("Time Series (Daily)", dict, ("Meta Data", "2. Symbol")),
    "SPLITS": ("data", list, ("symbol",)),
    "DIVIDENDS": ("data", list, ("symbol",)),
    "GLOBAL_QUOTE": ("Global Quote", dict, ("Global Quote", "01. symbol")),
    "SYMBOL_SEARCH": ("bestMatches", list, ()),
}


@dataclass(frozen=True)
class CallOptions:
    """Purpose and limits of a request.

    Attributes
    ----------
    purpose, ticker, reserved_calls, max_wait
        See `market.quota.ledger.QuotaLedger.call`.
    attempts
        Maximum number of requests, retries included.
    """

    purpose: Purpose
    ticker: str = ""
    reserved_calls: int = 0
    max_wait: float = math.inf
    attempts: int = 3


class PaceError(QuotaError):
    """Alpha Vantage refused the rate of requests. A retry after `renews_at` can succeed."""


class AlphaVantageClient:
    """Client for one key; any number of threads can use it.

    Parameters
    ----------
    key
        Never part of an address, an error or a log; see
        `market.providers.alpha_vantage.keyed_session`.
    tier
        Tier of the key.
    url
        Base address, without ``/query``.
    timeout
        Timeout of one whole response in seconds.
    ledger
        Records every attempt before the request is sent.
    clock
        Clock for the waits between attempts.
    """

    def __init__(
        self,
        *,
        key: SecretStr,
        tier: Tier,
        url: str,
        timeout: float,
        ledger: QuotaLedger,
        clock: Clock,
    ) -> None:
        self.budget = key_budget(tier, key.get_secret_value())
        self._tier = tier
        self._ledger = ledger
        self._clock = clock
        self._transport = Transport(f"{url.rstrip('/')}/query", key, timeout)

    def request(self, options: CallOptions, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Send a request and return the validated response.

        Parameters
        ----------
        parameters
            Query parameters without the key; ``function`` is required.

        Raises
        ------
        StockcastError
            See `market.providers.protocol.Provider.fetch`.
        """
        retrying = Retrying(
            stop=stop_after_attempt(options.attempts),
            wait=wait_exponential_jitter(initial=1, max=30, jitter=2),
            retry=retry_if_exception_type((ProviderDownError, PaceError)),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._request_once, options, parameters)

    def _request_once(self, options: CallOptions, parameters: Mapping[str, str]) -> dict[str, Any]:
        if self.budget.per_day is not None:
            self._transport.check_connection()
        with self._ledger.call(
            self.budget,
            purpose=options.purpose,
            ticker=options.ticker,
            reserved_calls=options.reserved_calls,
            max_wait=options.max_wait,
        ):
            status, text = self._transport.get(parameters)
        self._check_status(status)
        body = parse_object(text)
        if body is None:
            msg = (
                f"Alpha Vantage sent an incomplete response or invalid JSON: "
                f"{shorten_message(text)!r}."
            )
            raise ProviderDownError(msg)
        message = refusal_message(body)
        if message is not None:
            self._raise_refusal(message, options, parameters)
        return self._validate(body, options, parameters)

    def _check_status(self, status: int) -> None:
        if status == requests.codes.ok:
            return
        if status == requests.codes.too_many_requests:
            self._raise_pace_error(f"HTTP {status}")
        if status in {requests.codes.unauthorized, requests.codes.forbidden}:
            msg = (
                f"Alpha Vantage rejected the key or the client address with HTTP {status}; "
                f"check STOCKCAST_ALPHA_VANTAGE_KEY and STOCKCAST_ALPHA_VANTAGE_URL."
            )
            raise ProviderKeyError(msg)
        transient = {requests.codes.request_timeout, requests.codes.too_early}
        if status >= requests.codes.server_error or status in transient:
            msg = f"Alpha Vantage failed with HTTP {status}; try again later."
            raise ProviderDownError(msg)
        msg = (
            f"Alpha Vantage returned HTTP {status}, expected 200; check the address in "
            f"STOCKCAST_ALPHA_VANTAGE_URL."
        )
        raise BarsError(msg)

    def _raise_refusal(
        self, message: str, options: CallOptions, parameters: Mapping[str, str]
    ) -> NoReturn:
        shown = shorten_message(message)
        match classify_refusal(message):
            case "key":
                msg = (
                    f"Alpha Vantage rejected the key: {shown!r}; set "
                    f"STOCKCAST_ALPHA_VANTAGE_KEY to your key."
                )
                raise ProviderKeyError(msg)
            case "tier":
                msg = (
                    f"The tier of the key does not include {parameters['function']}: {shown!r}; "
                    f"STOCKCAST_ALPHA_VANTAGE_TIER is {self._tier}: set it to the tier of your key."
                )
                raise TierError(msg, reach=COMPACT)
            case "pace":
                self._raise_pace_error(shown)
            case "day":
                renews_at = self._ledger.record_refusal(self.budget, until_day_ends=True)
                msg = (
                    f"Alpha Vantage refuses more requests today: {shown!r}; "
                    f"the next request is allowed at {renews_at:%Y-%m-%d %H:%M} UTC."
                )
                raise QuotaError(msg, renews_at=renews_at)
            case "ticker":
                raise UnknownTickerError(options.ticker, "the alpha_vantage provider")
            case "other":
                msg = f"Alpha Vantage sent a message instead of data: {shown!r}."
                raise ProviderDownError(msg)

    def _raise_pace_error(self, reason: str) -> NoReturn:
        renews_at = self._ledger.record_refusal(self.budget, until_day_ends=False)
        msg = (
            f"Alpha Vantage refused the rate of requests ({reason}); "
            f"the next request is allowed at {renews_at:%Y-%m-%d %H:%M:%S} UTC."
        )
        raise PaceError(msg, renews_at=renews_at)

    def _validate(
        self, body: dict[str, Any], options: CallOptions, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        function = parameters["function"]
        name, kind, path = _SHAPES[function]
        # Quotes of a premium key may have a longer field name that states their delay.
        field = next((key for key in body if key == name or key.startswith(f"{name} - ")), name)
        data = body.get(field)
        if function == "GLOBAL_QUOTE" and data == {}:
            raise UnknownTickerError(options.ticker, "the alpha_vantage provider")
        is_whole = (
            all(isinstance(row, dict) for row in data) if isinstance(data, list) else bool(data)
        )
        if not isinstance(data, kind) or not is_whole:
            msg = f"Alpha Vantage sent a response to {function} without {name!r}; try again later."
            raise ProviderDownError(msg)
        response = body | {name: data}
        self._check_symbol(response, path, parameters)
        return response

    def _check_symbol(
        self, response: dict[str, Any], path: tuple[str, ...], parameters: Mapping[str, str]
    ) -> None:
        if not path:
            return
        symbol: Any = response
        for step in path:
            symbol = symbol.get(step) if isinstance(symbol, dict) else None
        expected = parameters["symbol"]
        if str(symbol).upper() != expected.upper():
            msg = f"Alpha Vantage sent a response about {symbol!r}, expected {expected!r}."
            raise ProviderDownError(msg)
