"""Current prices from the providers, cached in memory and in the store that processes share.

Concurrent requests for one ticker share one provider call. `market` selects the provider and
enforces its budget. A provider may be slower than the caller's time-out, so each call runs in its
own thread, and its result is cached even if no caller waits any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from http import HTTPStatus

import orjson
from pydantic import TypeAdapter

from core.clock import Clock
from core.errors import QuotaError, StockcastError
from core.settings import PREFIX
from market.providers.catalog import quote_providers, selected_specs
from market.providers.factory import make_provider
from market.providers.protocol import Quote, QuoteProvider
from market.settings import MarketSettings
from serving.http.problems import Problem, seconds_until
from serving.observability.tracing import span
from serving.shared_store import SharedStore

CACHE_SECONDS = 60.0
# Shorter than the time limit of a request, so that the caller receives this problem instead.
WAIT_SECONDS = 8.0
_MAX_CACHED = 5_000
_QUOTE = TypeAdapter(Quote)
_MAX_PENDING = 8

Result = Quote | Exception
# Newest session of each ticker in the snapshot, or None for a ticker without forecast.
NewestSessions = Mapping[str, date | None]


@dataclass(frozen=True)
class _CachedResult:
    result: Result
    expires_at: float


class QuoteCache:
    """Cache of current prices. Use it from one event loop only.

    Parameters
    ----------
    reserved_calls
        Returns the number of today's calls that a quote must leave for other purposes, for example
        `market.providers.status.ProviderStatus.reserved_from_quotes`.
    make_quote_provider
        Creates the provider at the first request; by default the settings select it.
    wait_seconds
        Time-out of a caller.
    cache_seconds
        Longest time for which a price is kept.
    store
        Shared with other processes; None for a cache of this process.
    on_quote
        Called with each new price of a provider, in the event loop.
    on_read
        Called with each read, and whether the cache had the price.
    """

    def __init__(
        self,
        settings: MarketSettings,
        clock: Clock,
        reserved_calls: Callable[[NewestSessions], int],
        *,
        make_quote_provider: Callable[[], QuoteProvider] | None = None,
        wait_seconds: float = WAIT_SECONDS,
        cache_seconds: float = CACHE_SECONDS,
        store: SharedStore | None = None,
        on_quote: Callable[[Quote], None] | None = None,
        on_read: Callable[[bool], None] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._reserved_calls = reserved_calls
        self._make = make_quote_provider or self._from_settings
        self._wait_seconds = wait_seconds
        self._seconds = cache_seconds
        self._shared = store
        self._on_quote = on_quote
        self._on_read = on_read
        self._cached: dict[str, _CachedResult] = {}
        self._pending: dict[str, asyncio.Future[Result]] = {}

    async def get(self, ticker: str, newest_sessions: NewestSessions) -> Quote:
        """Return the price of a ticker, at most `cache_seconds` old.

        Parameters
        ----------
        newest_sessions
            All tickers of the snapshot. The calls that their bars still need today are reserved.

        Raises
        ------
        Problem
            If no selected provider serves quotes, or none responds in time.
        StockcastError
            If all providers fail; the error of the provider.
        """
        if not any(spec.serves_quotes for spec in selected_specs(self._settings)):
            raise self._not_supported()
        with span("cache", cache="quotes"):
            cached = self._read(ticker)
        if cached is not None:
            return _unwrap(cached.result)
        pending = self._pending.get(ticker) or self._fetch(ticker, newest_sessions)
        try:
            # The shield keeps the call alive for other callers and for the cache.
            result = await asyncio.wait_for(asyncio.shield(pending), self._wait_seconds)
        except TimeoutError:
            msg = f"No provider responded within {self._wait_seconds:g} s; retry later."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "quote-timeout", msg) from None
        return _unwrap(result)

    def _read(self, ticker: str) -> _CachedResult | None:
        cached = self._cached.get(ticker)
        hit = cached is not None and self._clock.elapsed() < cached.expires_at
        if self._on_read is not None:
            self._on_read(hit)
        return cached if hit else None

    def _fetch(self, ticker: str, newest_sessions: NewestSessions) -> asyncio.Future[Result]:
        """Start the provider call in a thread."""
        if len(self._pending) >= _MAX_PENDING:
            msg = f"{_MAX_PENDING} price requests are pending, which is the limit; retry later."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-quote-requests", msg)
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[Result] = loop.create_future()
        self._pending[ticker] = pending

        def fetch() -> None:
            result = self._call_provider(ticker, newest_sessions)
            # The loop is closed if the service has stopped in the meantime.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._store, ticker, result)

        # A daemon thread: a slow provider must not delay the shutdown of the service.
        threading.Thread(target=fetch, name="quote", daemon=True).start()
        return pending

    def _call_provider(self, ticker: str, newest_sessions: NewestSessions) -> Result:
        try:
            if (shared := self._read_shared(ticker)) is not None:
                return shared
            # Reads the database of this home, so it must not run in the event loop.
            reserved = self._reserved_calls(newest_sessions)
            return self._share(self._provider.fetch_quote(ticker, reserved))
        except Exception as error:  # noqa: BLE001  # `_unwrap` raises it in the caller's task
            return error

    def _store(self, ticker: str, result: Result) -> None:
        """Pass the result to the waiting callers, and cache it unless it is unexpected."""
        self._pending.pop(ticker).set_result(result)
        self._cached.pop(ticker, None)
        if isinstance(result, Quote | StockcastError):
            if len(self._cached) >= _MAX_CACHED:
                self._cached.pop(next(iter(self._cached)))
            expires_at = self._clock.elapsed() + self._cache_seconds(result)
            self._cached[ticker] = _CachedResult(result, expires_at)
        if self._on_quote is not None and isinstance(result, Quote):
            self._on_quote(result)

    def _cache_seconds(self, result: Result) -> float:
        if isinstance(result, QuotaError):
            return min(self._seconds, seconds_until(result.renews_at, self._clock.now()))
        if isinstance(result, Quote):
            return self._seconds - (self._clock.now() - result.requested_at).total_seconds()
        return self._seconds

    def _read_shared(self, ticker: str) -> Quote | None:
        """Return the price that another process has fetched, if it is not too old."""
        content = self._shared.get(self._key(ticker)) if self._shared is not None else None
        quote = _QUOTE.validate_json(content) if content else None
        return quote if quote is not None and self._cache_seconds(quote) > 0 else None

    def _share(self, quote: Quote) -> Quote:
        if self._shared is not None:
            self._shared.put(self._key(quote.ticker), orjson.dumps(quote), self._seconds)
        return quote

    def _key(self, ticker: str) -> str:
        return f"quote:{','.join(self._settings.providers)}:{ticker}"

    @cached_property
    def _provider(self) -> QuoteProvider:
        return self._make()

    def _from_settings(self) -> QuoteProvider:
        provider = make_provider(self._settings, clock=self._clock)
        if not isinstance(provider, QuoteProvider):
            raise self._not_supported()
        return provider

    def _not_supported(self) -> Problem:
        selected = ", ".join(self._settings.providers)
        supported = " or ".join(quote_providers())
        msg = (
            f"The selected providers ({selected}) have no current prices; add {supported} to"
            f" {PREFIX}PROVIDER or {PREFIX}BACKUPS."
        )
        return Problem(HTTPStatus.CONFLICT, "quotes-not-supported", msg)


def _unwrap(result: Result) -> Quote:
    if isinstance(result, Quote):
        return result
    # A cached error is raised several times, and each raise would extend its traceback.
    raise result.with_traceback(None)
