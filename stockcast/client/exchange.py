"""Decisions of one call that do not depend on how it is sent: headers, retries, cache, errors."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar

import httpx

from stockcast.client.calls import Call
from stockcast.client.errors import ApiError, ClientError, ConnectionFailedError
from stockcast.client.retries import RetryPolicy, read_retry_after

T = TypeVar("T")
# Statuses with which the service refuses a request before it does anything.
_NOT_STARTED = frozenset({429, 503})
Outcome = httpx.Response | httpx.TransportError


class EtagCache:
    """The newest response of each GET request, sent again by the service only if it has changed."""

    def __init__(self, max_entries: int = 1_000) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    def get(self, address: str) -> tuple[str, bytes] | None:
        """Return tag and body."""
        entry = self._entries.get(address)
        if entry is not None:
            self._entries.move_to_end(address)
        return entry

    def put(self, address: str, tag: str, content: bytes) -> None:
        """Store a response, and forget the one that was not used for the longest time."""
        self._entries[address] = (tag, content)
        self._entries.move_to_end(address)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


class Exchange(Generic[T]):
    """State of one call over its attempts."""

    def __init__(self, call: Call[T], policy: RetryPolicy, cache: EtagCache) -> None:
        self._call = call
        self._policy = policy
        self._cache = cache
        self._attempts = 0
        self._address = str(httpx.URL(call.url, params=call.params))
        self._cached = cache.get(self._address) if call.method == "GET" else None

    @property
    def request(self) -> dict[str, Any]:
        """Arguments of `httpx.Client.request`."""
        headers = {} if self._cached is None else {"If-None-Match": self._cached[0]}
        content = self._call.content
        if content is not None:
            headers["Content-Type"] = "application/json"
        return {
            "method": self._call.method,
            "url": self._call.url.removeprefix("/"),
            "params": self._call.params,
            "content": content,
            "headers": headers,
        }

    def seconds_to_wait(self, outcome: Outcome) -> float | None:
        """Return the seconds before the next attempt, or None if this outcome is the last."""
        self._attempts += 1
        if not self._may_repeat(outcome):
            return None
        if isinstance(outcome, httpx.TransportError):
            return self._policy.seconds_to_wait(self._attempts, None, None)
        retry_after = read_retry_after(outcome.headers)
        return self._policy.seconds_to_wait(self._attempts, outcome.status_code, retry_after)

    def _may_repeat(self, outcome: Outcome) -> bool:
        """Return whether a repetition is safe: a POST request may already have had its effect."""
        if self._call.method == "GET" or isinstance(outcome, httpx.ConnectError):
            return True
        return isinstance(outcome, httpx.Response) and outcome.status_code in _NOT_STARTED

    def result(self, outcome: Outcome) -> T:
        """Return the response; raise a `ClientError` if the last attempt has failed."""
        if isinstance(outcome, httpx.TransportError):
            msg = f"{type(outcome).__name__} after {self._attempts} attempts: {outcome}"
            raise ConnectionFailedError(msg) from outcome
        if outcome.status_code == httpx.codes.NOT_MODIFIED and self._cached is not None:
            return self._call.parse(self._cached[1])
        if not outcome.is_success:
            raise error_of(outcome)
        tag = outcome.headers.get("etag")
        if self._call.method == "GET" and tag is not None:
            self._cache.put(self._address, tag, outcome.content)
        return self._call.parse(outcome.content)


def error_of(response: httpx.Response) -> ClientError:
    """Return the error for a response that is no success; its content must have been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": response.text[:500]}
    if not isinstance(problem, dict):
        problem = {"detail": str(problem)[:500]}
    return ApiError(response.status_code, problem, read_retry_after(response.headers))
