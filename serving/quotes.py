"""Current prices from the providers: one call for all who ask at once, kept for a minute.

Which provider is asked, and whether its budget allows it, belongs to `market`. A provider may take
longer than a caller waits, so each call has a thread of its own, and what it brings is kept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from http import HTTPStatus

from core.errors import QuotaError, StockcastError
from core.settings import PREFIX
from market.providers.catalog import quote_providers, selected_specs
from market.providers.factory import make_provider
from market.providers.protocol import Quote, QuoteProvider
from market.providers.status import ProviderStatus
from market.settings import MarketSettings
from serving.http.problems import Problem, seconds_until

KEPT_SECONDS = 60.0
# Less than BentoML's own time-out, so that the caller reads our answer and not its.
WAIT_SECONDS = 8.0
_MAX_KEPT = 5_000
_MAX_ASKING = 8

Outcome = Quote | Exception
Followed = Mapping[str, date | None]


@dataclass(frozen=True)
class _Kept:
    outcome: Outcome
    until: float


class QuoteCache:
    """Prices of now; used from one event loop.

    Parameters
    ----------
    provider
        Makes who is asked, at the first question; by default what the settings name.
    reserved_calls
        Returns the calls of the day that a quote must leave for other purposes, from the newest
        session of each followed ticker; `ProviderStatus.reserved_from_quotes` by default.
    wait_seconds
        How long a caller waits.
    """

    def __init__(
        self,
        settings: MarketSettings,
        *,
        provider: Callable[[], QuoteProvider] | None = None,
        reserved_calls: Callable[[Followed], int] | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._make = provider or self._from_settings
        self._reserved_calls = reserved_calls or ProviderStatus(settings).reserved_from_quotes
        self._elapsed = elapsed
        self._wait_seconds = wait_seconds
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Future[Outcome]] = {}

    async def get(self, ticker: str, *, followed: Followed) -> Quote:
        """Return the price of a ticker, a minute old at most.

        Parameters
        ----------
        followed
            Newest session in the snapshot of each followed ticker, or None if it has none. The
            calls that the bars of these tickers still need today are reserved.

        Raises
        ------
        Problem
            When no provider knows prices of now, or none has answered in time.
        StockcastError
            What the providers said instead of a price.
        """
        if not any(spec.serves_quotes for spec in selected_specs(self._settings)):
            raise self._no_quotes()
        kept = self._kept.get(ticker)
        if kept is not None and self._elapsed() < kept.until:
            return _price_of(kept.outcome)
        asking = self._asking.get(ticker) or self._ask(ticker, followed)
        try:
            # Other callers wait for it too, and it is kept when all of them have gone.
            outcome = await asyncio.wait_for(asyncio.shield(asking), self._wait_seconds)
        except TimeoutError:
            msg = f"No provider has answered within {self._wait_seconds:g} s; ask again."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "quote-slow", msg) from None
        return _price_of(outcome)

    def _ask(self, ticker: str, followed: Followed) -> asyncio.Future[Outcome]:
        if len(self._asking) >= _MAX_ASKING:
            msg = f"{_MAX_ASKING} prices are being asked for; ask again when some have come."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "quotes-busy", msg)
        loop = asyncio.get_running_loop()
        asking: asyncio.Future[Outcome] = loop.create_future()
        self._asking[ticker] = asking

        def ask() -> None:
            outcome = self._answer(ticker, followed)
            # When the service has stopped meanwhile, nobody is there to hear it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._came, ticker, outcome)

        # A daemon: neither a slow provider nor its time-outs hold up the end of the service.
        threading.Thread(target=ask, name="quote", daemon=True).start()
        return asking

    def _answer(self, ticker: str, followed: Followed) -> Outcome:
        try:
            # In this thread, because it reads the database of the home.
            return self._provider.fetch_quote(ticker, self._reserved_calls(followed))
        except Exception as error:  # noqa: BLE001  # it is raised where the caller waits
            return error

    def _came(self, ticker: str, outcome: Outcome) -> None:
        self._asking.pop(ticker).set_result(outcome)
        self._kept.pop(ticker, None)
        if isinstance(outcome, Quote | StockcastError):
            if len(self._kept) >= _MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[ticker] = _Kept(outcome, self._elapsed() + _kept_seconds(outcome))

    @cached_property
    def _provider(self) -> QuoteProvider:
        return self._make()

    def _from_settings(self) -> QuoteProvider:
        provider = make_provider(self._settings)
        if not isinstance(provider, QuoteProvider):
            raise self._no_quotes()
        return provider

    def _no_quotes(self) -> Problem:
        asked = ", ".join(self._settings.providers)
        msg = (
            f"No provider among {asked} serves current prices; name {' or '.join(quote_providers())} in "
            f"{PREFIX}PROVIDER or {PREFIX}BACKUPS."
        )
        return Problem(HTTPStatus.NOT_IMPLEMENTED, "no-quotes", msg)


def _price_of(outcome: Outcome) -> Quote:
    if isinstance(outcome, Quote):
        return outcome
    # It may be raised many times; its traceback would grow each time.
    raise outcome.with_traceback(None)


def _kept_seconds(outcome: Outcome) -> float:
    if isinstance(outcome, QuotaError):
        return min(KEPT_SECONDS, seconds_until(outcome.renews_at))
    return KEPT_SECONDS
