"""Current prices: shared calls, caching, time-outs and errors of the provider."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.service_setup import NOW, ServiceSetup

from core.errors import ProviderDownError, QuotaError
from market.providers.protocol import Quote
from market.settings import MarketSettings
from serving.app import build_app
from serving.http.problems import Problem
from serving.quotes import NewestSessions, QuoteCache

SESSION = date(2013, 3, 4)


class FakeQuoteProvider:
    """A provider with one price. With `blocked`, it responds only after `release` is set."""

    def __init__(self, *, error: Exception | None = None, blocked: bool = False) -> None:
        self.error = error
        self.calls: list[tuple[str, int]] = []
        self.release = threading.Event()
        if not blocked:
            self.release.set()

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        self.calls.append((ticker, reserved_calls))
        assert self.release.wait(10)
        if self.error is not None:
            raise self.error
        return Quote(ticker, 431.5, 430.47, 1_000, SESSION, NOW - timedelta(seconds=2), "fake")


def make_quotes(
    provider: FakeQuoteProvider,
    clock: MovingClock | None = None,
    reserved_calls: Callable[[NewestSessions], int] = len,
    **options: Any,  # noqa: ANN401
) -> QuoteCache:
    settings = MarketSettings(provider="yahoo", tickers="AAPL")  # type: ignore[arg-type]
    clock = clock or MovingClock(NOW)
    return QuoteCache(
        settings, clock, reserved_calls, make_quote_provider=lambda: provider, **options
    )


def get(service: ServiceSetup, quotes: QuoteCache, *paths: str) -> list[httpx.Response]:
    app = build_app()
    app.state.service = replace(service.state, quotes=quotes)

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(send())


def test_a_ticker_of_the_snapshot_has_a_price_with_source_and_age(service: ServiceSetup) -> None:
    service.go_live()
    provider = FakeQuoteProvider()
    first, second = get(service, make_quotes(provider), "/quote/aapl", "/quote/AAPL")
    assert first.status_code == 200
    assert first.json() == {
        "ticker": "AAPL",
        "price": 431.5,
        "previous_close": 430.47,
        "volume": 1_000,
        "session": "2013-03-04",
        "source": "fake",
        "fetched_at": "2013-03-04T11:59:58Z",
        "age_seconds": 2.0,
    }
    assert second.status_code == 200
    assert len(provider.calls) == 1


def test_a_quote_leaves_the_calls_that_the_tickers_of_the_snapshot_need(
    service: ServiceSetup,
) -> None:
    service.go_live()
    provider, requests = FakeQuoteProvider(), []

    def reserved_calls(newest_sessions: NewestSessions) -> int:
        requests.append(newest_sessions)
        return 6

    get(service, make_quotes(provider, reserved_calls=reserved_calls), "/quote/AAPL")
    assert provider.calls == [("AAPL", 6)]
    # Four tickers have forecasts; FB is too young for one.
    newest = date(2013, 3, 1)
    assert requests == [{"FB": None, **dict.fromkeys(("AAPL", "GOOG", "IBM", "MSFT"), newest)}]


def test_a_ticker_too_young_for_a_forecast_has_a_price(service: ServiceSetup) -> None:
    service.go_live()
    (response,) = get(service, make_quotes(FakeQuoteProvider()), "/quote/FB")
    assert (response.status_code, response.json()["ticker"]) == (200, "FB")


def test_an_invalid_request_costs_no_call(service: ServiceSetup) -> None:
    service.go_live()
    provider = FakeQuoteProvider()
    unknown, malformed, query = get(
        service, make_quotes(provider), "/quote/GOOGL", "/quote/a'b", "/quote/AAPL?horizon=1d"
    )
    assert (unknown.status_code, unknown.json()["similar"]) == (404, ["GOOG"])
    assert (malformed.status_code, query.status_code) == (422, 422)
    assert provider.calls == []


def test_an_exhausted_quota_has_the_renewal_and_the_last_close(service: ServiceSetup) -> None:
    service.go_live()
    error = QuotaError("All 25 calls of today are used.", renews_at=NOW + timedelta(hours=2))
    provider = FakeQuoteProvider(error=error)
    first, second = get(service, make_quotes(provider), "/quote/AAPL", "/quote/AAPL")
    body = first.json()
    assert (first.status_code, body["type"]) == (503, "urn:stockcast:problem:quota-exhausted")
    assert int(first.headers["retry-after"]) == 7_200
    assert (body["last_close"], body["last_close_session"]) == (430.47, "2013-03-01")
    assert body["detail"] == "All 25 calls of today are used."
    assert second.json() == body
    assert len(provider.calls) == 1


def test_an_exhausted_quota_is_cached_until_its_renewal(service: ServiceSetup) -> None:
    service.go_live()
    error = QuotaError("All 5 calls of this minute are used.", renews_at=NOW + timedelta(seconds=9))
    provider = FakeQuoteProvider(error=error)
    quotes = make_quotes(provider, service.clock)
    (first,) = get(service, quotes, "/quote/AAPL")
    assert int(first.headers["retry-after"]) == 9
    service.clock.advance(seconds=9)
    provider.error = None
    assert [response.status_code for response in get(service, quotes, "/quote/AAPL")] == [200]


def test_after_an_outage_the_providers_are_not_called_for_a_minute(service: ServiceSetup) -> None:
    service.go_live()
    provider = FakeQuoteProvider(error=ProviderDownError("fake did not connect"))
    quotes = make_quotes(provider, service.clock)
    response, _ = get(service, quotes, "/quote/AAPL", "/quote/AAPL")
    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert response.json()["type"] == "urn:stockcast:problem:provider-down"
    assert len(provider.calls) == 1
    service.clock.advance(seconds=60)
    provider.error = None
    assert [response.status_code for response in get(service, quotes, "/quote/AAPL")] == [200]


def test_without_a_provider_of_quotes_the_problem_names_the_setting(service: ServiceSetup) -> None:
    service.go_live()
    (response,) = get(service, QuoteCache(MarketSettings(), service.clock, len), "/quote/AAPL")
    body = response.json()
    assert (response.status_code, body["type"]) == (
        409,
        "urn:stockcast:problem:quotes-not-supported",
    )
    assert "STOCKCAST_PROVIDER" in body["detail"]
    assert "alpha_vantage or yahoo" in body["detail"]
    assert body["last_close"] == 430.47


def test_concurrent_requests_share_one_call() -> None:
    provider = FakeQuoteProvider(blocked=True)
    quotes = make_quotes(provider)

    async def send() -> list[Quote]:
        tasks = [asyncio.ensure_future(quotes.get("AAPL", {})) for _ in range(50)]
        await asyncio.sleep(0)
        provider.release.set()
        return await asyncio.gather(*tasks)

    assert {quote.price for quote in asyncio.run(send())} == {431.5}
    assert len(provider.calls) == 1


def test_a_slow_provider_leads_to_a_timeout_and_its_price_is_cached() -> None:
    provider = FakeQuoteProvider(blocked=True)
    quotes = make_quotes(provider, wait_seconds=0.05)

    async def send() -> Quote:
        for _ in range(2):
            with pytest.raises(Problem, match=r"within 0\.05 s; retry later") as caught:
                await quotes.get("AAPL", {})
            assert (caught.value.status, caught.value.kind) == (503, "quote-timeout")
        provider.release.set()
        while "AAPL" in quotes._pending:
            await asyncio.sleep(0.01)
        return await quotes.get("AAPL", {})

    assert asyncio.run(send()).price == 431.5
    assert len(provider.calls) == 1


def test_requests_beyond_the_limit_of_pending_calls_are_rejected() -> None:
    provider = FakeQuoteProvider(blocked=True)
    quotes = make_quotes(provider)

    async def send() -> list[Quote | BaseException]:
        tasks = [asyncio.ensure_future(quotes.get(f"T{n}", {})) for n in range(9)]
        await asyncio.sleep(0)
        provider.release.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    *accepted, rejected = asyncio.run(send())
    assert all(isinstance(quote, Quote) for quote in accepted)
    assert isinstance(rejected, Problem)
    assert rejected.kind == "too-many-quote-requests"


def test_a_price_is_cached_until_it_is_one_minute_old() -> None:
    """The provider needed two seconds for its response."""
    provider, clock = FakeQuoteProvider(), MovingClock(NOW)
    quotes = make_quotes(provider, clock)

    async def send() -> None:
        for seconds in (0.0, 57.9, 0.1):
            clock.advance(seconds=seconds)
            await quotes.get("AAPL", {})

    asyncio.run(send())
    assert len(provider.calls) == 2


def test_reads_of_the_cache_are_counted_as_hits_and_misses(service: ServiceSetup) -> None:
    reads: list[bool] = []
    service.go_live()
    quotes = make_quotes(FakeQuoteProvider(), on_read=reads.append)
    get(service, quotes, "/quote/AAPL", "/quote/AAPL", "/quote/IBM")
    assert reads == [False, True, False]


def test_the_size_of_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.quotes._MAX_CACHED", 3)
    quotes = make_quotes(FakeQuoteProvider())

    async def send() -> None:
        for n in range(5):
            await quotes.get(f"T{n}", {})

    asyncio.run(send())
    assert list(quotes._cached) == ["T2", "T3", "T4"]


def test_an_unexpected_error_is_not_cached() -> None:
    provider = FakeQuoteProvider(error=KeyError("unexpected"))
    quotes = make_quotes(provider)

    async def send() -> Quote:
        with pytest.raises(KeyError):
            await quotes.get("AAPL", {})
        provider.error = None
        return await quotes.get("AAPL", {})

    assert asyncio.run(send()).price == 431.5
