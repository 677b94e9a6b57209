"""Retries, tags and errors of the client, over a transport that plays a list of responses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from pydantic import ValidationError

from stockcast.client import (
    ApiError,
    AsyncClient,
    Client,
    ClientError,
    ConnectionFailedError,
    RetryPolicy,
)
from stockcast.client.models import Universe
from stockcast.client.retries import read_retry_after

BODY = {"count": 0, "tickers": []}
Reply = httpx.Response | httpx.TransportError
Ask = Callable[..., Universe]


class Service:
    """Plays replies, the last one for ever, and records the requests and the pauses."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = replies
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def reply(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, httpx.TransportError):
            raise reply
        return reply

    async def reply_async(self, request: httpx.Request) -> httpx.Response:
        return self.reply(request)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask for the universe `times` times with one client, and return the last response."""

    def ask_sync(service: Service, times: int = 1, **options: object) -> Universe:
        monkeypatch.setattr(time, "sleep", service.pauses.append)
        transport = httpx.MockTransport(service.reply)
        with Client(transport=transport, **options) as client:  # type: ignore[arg-type]
            return [client.get_universe(search="A") for _ in range(times)][-1]

    def ask_async(service: Service, times: int = 1, **options: object) -> Universe:
        async def pause(seconds: float) -> None:
            service.pauses.append(seconds)

        async def run() -> Universe:
            transport = httpx.MockTransport(service.reply_async)
            async with AsyncClient(transport=transport, **options) as client:  # type: ignore[arg-type]
                return [await client.get_universe(search="A") for _ in range(times)][-1]

        monkeypatch.setattr("stockcast.client.http_clients.asyncio.sleep", pause)
        return asyncio.run(run())

    return ask_sync if request.param == "sync" else ask_async


def ok(**headers: str) -> httpx.Response:
    return httpx.Response(200, json=BODY, headers=headers)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:stockcast:problem:{code}", "code": code, "detail": "A reason."}
    return httpx.Response(status, json=body | {"similar": ["MSFT"]}, headers=headers)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_transient_failure_is_tried_again_with_growing_pauses(ask: Ask, status: int) -> None:
    service = Service(problem(status, "x"), problem(status, "x"), problem(status, "x"), ok())
    assert ask(service) == Universe(count=0, tickers=[])
    assert len(service.requests) == 4
    for pause, longest in zip(service.pauses, (0.25, 0.5, 1.0), strict=True):
        assert longest / 2 <= pause <= longest


def test_a_lost_connection_is_tried_again_and_then_reported(ask: Ask) -> None:
    service = Service(httpx.ConnectError("refused"))
    with pytest.raises(ConnectionFailedError, match="ConnectError after 4 attempts: refused"):
        ask(service)
    assert len(service.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500, 501])
def test_other_failures_are_reported_at_once_with_their_code(ask: Ask, status: int) -> None:
    service = Service(problem(status, "unknown-ticker"))
    with pytest.raises(ApiError, match="A reason") as raised:
        ask(service)
    error = raised.value
    assert (error.status, error.code, error.similar) == (status, "unknown-ticker", ["MSFT"])
    assert len(service.requests) == 1


def test_retry_after_takes_precedence_over_the_back_off(ask: Ask) -> None:
    service = Service(problem(503, "x", **{"retry-after": "7"}), ok())
    ask(service)
    assert service.pauses == [7.0]


def test_a_retry_after_that_is_too_long_is_reported_at_once(ask: Ask) -> None:
    service = Service(problem(503, "quota-exhausted", **{"retry-after": "3600"}), ok())
    with pytest.raises(ApiError) as raised:
        ask(service)
    assert raised.value.retry_after == 3600
    assert service.pauses == []


def test_an_unchanged_response_is_taken_from_the_cache(ask: Ask) -> None:
    service = Service(ok(etag='"a"'), httpx.Response(304))
    assert ask(service, times=3) == Universe(count=0, tickers=[])
    tags = [request.headers.get("if-none-match") for request in service.requests]
    assert tags == [None, '"a"', '"a"']


def test_a_response_that_is_no_problem_is_reported_with_its_text(ask: Ask) -> None:
    service = Service(httpx.Response(500, text="<html>A proxy failed.</html>"))
    with pytest.raises(ApiError, match="A proxy failed") as raised:
        ask(service)
    assert raised.value.code == ""


def test_address_and_key_are_sent(ask: Ask) -> None:
    service = Service(ok())
    ask(service, url="https://example.test/api/v1/", api_key="secret")
    (request,) = service.requests
    assert str(request.url) == "https://example.test/api/v1/universe?search=A"
    assert request.headers["x-api-key"] == "secret"


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        (problem(503, "overloaded"), 2),
        (problem(429, "rate-limit"), 2),
        (httpx.ConnectError("refused"), 2),
        (problem(504, "x"), 1),
        (httpx.ReadTimeout("late"), 1),
    ],
)
def test_a_request_with_an_effect_is_repeated_only_if_it_had_none(
    first: Reply, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = httpx.Response(202, json={"run": "a", "url": None, "job": "x"})
    service = Service(first, started)
    monkeypatch.setattr(time, "sleep", service.pauses.append)
    client = Client(transport=httpx.MockTransport(service.reply))
    with client, suppress(ClientError, ValidationError):
        client.retrain_models()
    assert len(service.requests) == requests


def test_the_number_of_attempts_is_a_setting(ask: Ask) -> None:
    service = Service(problem(503, "x"))
    with pytest.raises(ApiError):
        ask(service, retries=RetryPolicy(attempts=1))
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("Wed, 25 Nov 2026 12:00:05 GMT", 5.0), ("soon", None), ("", None), ("-1", None)],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    headers = httpx.Headers({"date": "Wed, 25 Nov 2026 12:00:00 GMT", "retry-after": text})
    assert read_retry_after(headers) == seconds
