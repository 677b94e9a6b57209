"""Requests to Alpha Vantage: budget, refusals as errors, another try where that helps.

How a request goes over the network is `alpha_vantage_wire`, what a sentence means
`alpha_vantage_refusals`, what an answer holds `alpha_vantage_answers`.
"""

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

# Which part of each function's answer holds the data, and where the answer names its symbol.
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
    """Why a request is made, and how much it may take; see `QuotaLedger.call`."""

    purpose: Purpose
    ticker: str = ""
    reserved_calls: int = 0
    max_wait: float = math.inf
    attempts: int = 3


class PaceError(QuotaError):
    """Alpha Vantage wants a slower pace: the same request helps, a little later."""


class AlphaVantageClient:
    """Sends one request at a time for any number of threads.

    Parameters
    ----------
    key
        The key; it stands in no address, error or log, see `keyed_session`.
    tier
        What the key may do.
    url
        Base address, without ``/query``.
    timeout
        Seconds for one whole answer.
    ledger
        Where every attempt is entered before it is made.
    clock
        What waiting between attempts sleeps on.
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

    def ask(self, options: CallOptions, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer to a request, checked to be one.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does.
        """
        retrying = Retrying(
            stop=stop_after_attempt(options.attempts),
            wait=wait_exponential_jitter(initial=1, max=30, jitter=2),
            retry=retry_if_exception_type((ProviderDownError, PaceError)),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._ask_once, options, parameters)

    def _ask_once(self, options: CallOptions, parameters: Mapping[str, str]) -> dict[str, Any]:
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
            msg = f"Alpha Vantage sent half an answer, or no JSON: {shorten_message(text)!r}."
            raise ProviderDownError(msg)
        sentence = refusal_message(body)
        if sentence is not None:
            self._refuse(sentence, options, parameters)
        return self._checked(body, options, parameters)

    def _check_status(self, status: int) -> None:
        if status == requests.codes.ok:
            return
        if status == requests.codes.too_many_requests:
            self._slow_down(f"HTTP {status}")
        if status in {requests.codes.unauthorized, requests.codes.forbidden}:
            msg = (
                f"Alpha Vantage refuses our key or our address with HTTP {status}; "
                f"check STOCKCAST_ALPHA_VANTAGE_KEY and STOCKCAST_ALPHA_VANTAGE_URL."
            )
            raise ProviderKeyError(msg)
        passes = {requests.codes.request_timeout, requests.codes.too_early}
        if status >= requests.codes.server_error or status in passes:
            msg = f"Alpha Vantage failed with HTTP {status}; it may answer later."
            raise ProviderDownError(msg)
        msg = (
            f"Alpha Vantage answered HTTP {status} instead of 200; STOCKCAST_ALPHA_VANTAGE_URL "
            f"is the address that was asked: check it."
        )
        raise BarsError(msg)

    def _refuse(
        self, sentence: str, options: CallOptions, parameters: Mapping[str, str]
    ) -> NoReturn:
        said = shorten_message(sentence)
        match classify_refusal(sentence):
            case "key":
                msg = (
                    f"Alpha Vantage does not accept the key: {said!r}; set "
                    f"STOCKCAST_ALPHA_VANTAGE_KEY to yours."
                )
                raise ProviderKeyError(msg)
            case "tier":
                msg = (
                    f"{parameters['function']} is more than the key may ask for: {said!r}; "
                    f"STOCKCAST_ALPHA_VANTAGE_TIER is {self._tier}: set it to what the key is."
                )
                raise TierError(msg, reach=COMPACT)
            case "pace":
                self._slow_down(said)
            case "day":
                renews_at = self._ledger.record_refusal(self.budget, until_day_ends=True)
                msg = (
                    f"Alpha Vantage gives no more answers today: {said!r}; "
                    f"it does again at {renews_at:%Y-%m-%d %H:%M} UTC."
                )
                raise QuotaError(msg, renews_at=renews_at)
            case "ticker":
                raise UnknownTickerError(options.ticker, "the alpha_vantage provider")
            case "other":
                msg = f"Alpha Vantage sent a sentence instead of an answer: {said!r}."
                raise ProviderDownError(msg)

    def _slow_down(self, said: str) -> NoReturn:
        renews_at = self._ledger.record_refusal(self.budget, until_day_ends=False)
        msg = (
            f"Alpha Vantage asks for a slower pace ({said}); "
            f"it answers again at {renews_at:%Y-%m-%d %H:%M:%S} UTC."
        )
        raise PaceError(msg, renews_at=renews_at)

    def _checked(
        self, body: dict[str, Any], options: CallOptions, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        function = parameters["function"]
        name, kind, path = _SHAPES[function]
        # A premium key's quotes may stand under a longer name, which tells how late they are.
        found = next((key for key in body if key == name or key.startswith(f"{name} - ")), None)
        data = body.get(found or name)
        if function == "GLOBAL_QUOTE" and data == {}:
            raise UnknownTickerError(options.ticker, "the alpha_vantage provider")
        is_whole = (
            all(isinstance(row, dict) for row in data) if isinstance(data, list) else bool(data)
        )
        if not isinstance(data, kind) or not is_whole:
            msg = f"Alpha Vantage sent an answer to {function} without {name!r}; it may come later."
            raise ProviderDownError(msg)
        answer = body | {name: data}
        self._check_symbol(answer, path, parameters)
        return answer

    def _check_symbol(
        self, answer: dict[str, Any], path: tuple[str, ...], parameters: Mapping[str, str]
    ) -> None:
        if not path:
            return
        told: Any = answer
        for step in path:
            told = told.get(step) if isinstance(told, dict) else None
        asked = parameters["symbol"]
        if str(told).upper() != asked.upper():
            msg = f"Alpha Vantage sent an answer about {told!r}, but {asked!r} was asked for."
            raise ProviderDownError(msg)
