"""Quotes, forecasts and rate limits that processes share in a real Redis, also while it is cut."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.clocks.moving_clock import MovingClock
from support.services.external import REDIS, require_redis
from support.services.tcp_proxy import TcpProxy, tcp_proxy
from support.serving.service_setup import NOW, ServiceSetup

from market.providers.protocol import Quote
from market.settings import MarketSettings
from serving.forecasts.caller_cache import CallerForecastCache
from serving.http.schemas.requests import PredictRequest
from serving.protection.rate_limits import TokenBuckets
from serving.protection.shared_limits import SharedLimits
from serving.quotes import QuoteCache
from serving.shared_store import SharedStore

pytestmark = pytest.mark.integration


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    require_redis()
    with tcp_proxy(REDIS) as proxy:
        yield proxy


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(NOW)


@pytest.fixture
def store(proxy: TcpProxy, clock: MovingClock) -> SharedStore:
    return SharedStore(f"redis://127.0.0.1:{proxy.port}", clock)


@pytest.fixture
def key() -> str:
    """A key that no other test uses. It expires by itself."""
    return f"test:{uuid.uuid4().hex}"


def test_a_value_is_shared_until_it_expires(store: SharedStore, key: str) -> None:
    assert store.get(key) is None
    store.put(key, b"\x00value", 30)
    assert store.get(key) == b"\x00value"
    store.put(key, b"short", 0.001)
    while store.get(key) is not None:
        pass


def test_a_cut_costs_one_attempt_and_one_line(
    store: SharedStore,
    proxy: TcpProxy,
    clock: MovingClock,
    key: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(key, b"value", 30)
    proxy.cut()
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(20):
            assert store.get(key) is None
        clock.advance(seconds=6)
        assert store.get(key) is None  # one more attempt, and no further line
        proxy.restore()
        assert store.get(key) is None
        clock.advance(seconds=6)
        assert store.get(key) == b"value"
    events = [record.message.split()[0] for record in caplog.records]
    assert events == ["event=shared_store_down", "event=shared_store_up"]


def test_a_password_of_the_address_is_in_no_line(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    require_redis()
    host, port = REDIS
    store = SharedStore(f"redis://user:hidden-word@{host}:{port}", clock)
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        store.get("x")
    assert "shared_store_down" in caplog.text
    assert "hidden-word" not in caplog.text


class CountingQuotes:
    """A provider that counts its calls."""

    def __init__(self, clock: MovingClock) -> None:
        self._clock = clock
        self.calls = 0

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        del reserved_calls
        self.calls += 1
        return Quote(
            ticker=ticker,
            price=1.5,
            previous_close=None,
            volume=7,
            session=NOW.date(),
            requested_at=self._clock.now(),
            source="counting",
        )


def quotes(store: SharedStore, clock: MovingClock, provider: CountingQuotes) -> QuoteCache:
    settings = MarketSettings(provider="yahoo", tickers=("AAPL",))
    return QuoteCache(
        *(settings, clock, lambda _: 0), make_quote_provider=lambda: provider, store=store
    )


def test_a_second_process_needs_no_call_to_the_provider(
    store: SharedStore, clock: MovingClock, proxy: TcpProxy
) -> None:
    ticker, provider = f"T{uuid.uuid4().hex[:10]}".upper(), CountingQuotes(clock)
    first = asyncio.run(quotes(store, clock, provider).get(ticker, {}))
    clock.advance(seconds=30)
    assert asyncio.run(quotes(store, clock, provider).get(ticker, {})) == first
    assert provider.calls == 1
    clock.advance(seconds=31)  # too old, although Redis still has it
    newer = asyncio.run(quotes(store, clock, provider).get(ticker, {}))
    assert newer.requested_at == NOW + timedelta(seconds=61)
    proxy.cut()
    assert asyncio.run(quotes(store, clock, provider).get(ticker, {})).ticker == ticker
    assert provider.calls == 3


def test_a_forecast_of_the_same_bars_is_computed_once_for_each_model_and_session(
    store: SharedStore, clock: MovingClock, tmp_path: Path
) -> None:
    service = ServiceSetup(tmp_path)
    service.go_live()
    table = service.live.require().table
    request = PredictRequest(ticker=f"T{uuid.uuid4().hex[:10]}")
    computed: list[int] = []
    reads: list[bool] = []

    def compute() -> bytes:
        computed.append(1)
        return b"body"

    def cache(shared: SharedStore | None) -> CallerForecastCache:
        return CallerForecastCache(300, clock, shared, reads.append)

    first = cache(store)
    for one in (first, first, cache(store)):
        assert one.get(table, request, compute) == b"body"
    assert (len(computed), reads) == (1, [False, True, True])
    service.clock.advance(hours=10)  # the session has closed
    aged = table.aged(service.clock.now())
    assert aged is not table
    first.get(aged, request, compute)
    service.go_live(seed=2)
    first.get(service.live.require().table, request, compute)
    first.get(table, request.model_copy(update={"horizon": "1w"}), compute)
    assert len(computed) == 4
    clock.advance(seconds=301)
    cache(None).get(table, request, compute)
    assert len(computed) == 5


def test_processes_share_one_limit(store: SharedStore, clock: MovingClock, key: str) -> None:
    def process() -> tuple[TokenBuckets, SharedLimits]:
        buckets = TokenBuckets(6, 10, clock.elapsed)
        return buckets, SharedLimits(buckets, store)

    def take(buckets: TokenBuckets, count: int) -> int:
        return sum(buckets.take(key).is_granted for _ in range(count))

    (a, settle_a), (b, settle_b) = process(), process()
    assert (take(a, 6), take(b, 3)) == (6, 3)
    settle_a.refresh()
    settle_b.refresh()
    take(a, 1)
    settle_a.refresh()
    assert (take(a, 5), take(b, 5)) == (0, 1)


def test_without_redis_each_process_limits_alone(
    store: SharedStore, proxy: TcpProxy, clock: MovingClock, key: str
) -> None:
    buckets = TokenBuckets(6, 2, clock.elapsed)
    proxy.cut()
    granted: list[Any] = []
    for _ in range(4):
        granted.append(buckets.take(key).is_granted)
        SharedLimits(buckets, store).refresh()
    assert granted == [True, True, False, False]
