"""Clients of the HTTP API: `Client` and `AsyncClient` have the same methods."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from stockcast.client.async_operations import AsyncOperations
from stockcast.client.calls import Call
from stockcast.client.exchange import EtagCache, Exchange, Outcome
from stockcast.client.operations import Operations
from stockcast.client.retries import RetryPolicy

DEFAULT_URL = "http://127.0.0.1:3000"
_T = TypeVar("_T")


class Client(Operations):
    """Client of the HTTP API. It may be used by several threads.

    Parameters
    ----------
    url
        Address of the service.
    api_key
        Sent as `X-API-Key`.
    timeout
        Seconds to connect, and between two parts of a response.
    retries
        When and how often a request is sent again.
    transport
        Transport of `httpx`, for proxies and tests.

    Examples
    --------
    >>> with Client() as client:  # doctest: +SKIP
    ...     client.get_prediction("AAPL", horizon="1w").prediction.price_target
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries or RetryPolicy()
        self._cache = EtagCache()
        self._http = httpx.Client(transport=transport, **_options(url, api_key, timeout))

    def _send(self, call: Call[_T]) -> _T:
        exchange = Exchange(call, self._retries, self._cache)
        while True:
            outcome = self._try(exchange.request)
            seconds = exchange.seconds_to_wait(outcome)
            if seconds is None:
                return exchange.result(outcome)
            time.sleep(seconds)

    def _try(self, request: dict[str, Any]) -> Outcome:
        try:
            return self._http.request(**request)
        except httpx.TransportError as error:
            return error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(AsyncOperations):
    """Asynchronous client of the HTTP API. Its parameters are those of `Client`.

    Examples
    --------
    >>> async with AsyncClient() as client:  # doctest: +SKIP
    ...     (await client.get_prediction("AAPL")).prediction.price_target
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries or RetryPolicy()
        self._cache = EtagCache()
        self._http = httpx.AsyncClient(transport=transport, **_options(url, api_key, timeout))

    async def _send(self, call: Call[_T]) -> _T:
        exchange = Exchange(call, self._retries, self._cache)
        while True:
            outcome = await self._try(exchange.request)
            seconds = exchange.seconds_to_wait(outcome)
            if seconds is None:
                return exchange.result(outcome)
            await asyncio.sleep(seconds)

    async def _try(self, request: dict[str, Any]) -> Outcome:
        try:
            return await self._http.request(**request)
        except httpx.TransportError as error:
            return error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _options(url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    headers = {"User-Agent": "stockcast-client"}
    if api_key is not None:
        headers["X-API-Key"] = api_key
    return {"base_url": f"{url.rstrip('/')}/", "timeout": timeout, "headers": headers}
