"""Current prices: few calls however many ask, and nothing of a slow or refusing provider hangs."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support.serving.refresher_setup import RefresherSetup

from core.errors import ProviderDownError, QuotaError, StockcastError
from market.providers.protocol import Quote
from market.settings import MarketSettings
from serving.app import build_app
from serving.http.problems import Problem
from serving.quotes import Followed, QuoteCache
from serving.state import ServiceState

SESSION = date(2013, 3, 4)


class Teller:
    """A provider that tells prices; slow until it is let go on when `held`."""

    def __init__(self, *, error: StockcastError | None = None, held: bool = False) -> None:
        self.error = error
        self.asked: list[tuple[str, int]] = []
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        self.asked.append((ticker, reserved_calls))
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error
        asked_at = datetime.now(UTC) - timedelta(seconds=2)
        return Quote(ticker, 431.5, 430.47, 1_000, SESSION, asked_at, "teller")


class Watched:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def setup(tmp_path: Path) -> RefresherSetup:
    return RefresherSetup(tmp_path)


def quotes_of(teller: Teller, **options: object) -> QuoteCache:
    settings = MarketSettings(provider="yahoo", tickers="AAPL")  # type: ignore[arg-type]
    return QuoteCache(settings, provider=lambda: teller, **options)  # type: ignore[arg-type]


def get(setup: RefresherSetup, quotes: QuoteCache, *paths: str) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(build_app(ServiceState(setup.desk, quotes=quotes)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(ask())


def test_a_followed_ticker_has_a_price_with_its_source_and_age(setup: RefresherSetup) -> None:
    setup.go_live()
    teller = Teller()
    answer, again = get(setup, quotes_of(teller), "/quote/aapl", "/quote/AAPL")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("asked_at").endswith("Z")
    assert 2 <= body.pop("age_seconds") < 60
    assert body == {
        "ticker": "AAPL",
        "price": 431.5,
        "previous_close": 430.47,
        "volume": 1_000,
        "session": "2013-03-04",
        "source": "teller",
    }
    assert again.status_code == 200
    assert teller.asked == [("AAPL", 0)]


def test_a_quote_leaves_the_calls_that_the_followed_tickers_need(setup: RefresherSetup) -> None:
    setup.go_live()
    teller, followed = Teller(), []

    def reserved_calls(newest: Followed) -> int:
        followed.append(newest)
        return 6

    get(setup, quotes_of(teller, reserved_calls=reserved_calls), "/quote/AAPL")
    assert teller.asked == [("AAPL", 6)]
    # Four tickers have forecasts; FB is too young for one.
    newest = date(2013, 3, 1)
    assert followed == [{"FB": None, **dict.fromkeys(("AAPL", "GOOG", "IBM", "MSFT"), newest)}]


def test_a_ticker_too_young_for_a_forecast_has_a_price(setup: RefresherSetup) -> None:
    setup.go_live()
    (answer,) = get(setup, quotes_of(Teller()), "/quote/FB")
    assert (answer.status_code, answer.json()["ticker"]) == (200, "FB")


def test_other_tickers_cost_no_call(setup: RefresherSetup) -> None:
    setup.go_live()
    teller = Teller()
    unknown, malformed, query = get(
        setup, quotes_of(teller), "/quote/GOOGL", "/quote/a'b", "/quote/AAPL?horizon=1d"
    )
    assert (unknown.status_code, unknown.json()["near"]) == (404, ["GOOG"])
    assert (malformed.status_code, query.status_code) == (422, 422)
    assert teller.asked == []


def test_a_spent_budget_says_when_it_renews_and_tells_the_last_close(setup: RefresherSetup) -> None:
    setup.go_live()
    renews_at = datetime.now(UTC) + timedelta(hours=2)
    teller = Teller(error=QuotaError("All 25 calls a day are spent.", renews_at=renews_at))
    answer, again = get(setup, quotes_of(teller), "/quote/AAPL", "/quote/AAPL")
    body = answer.json()
    assert (answer.status_code, body["type"]) == (503, "urn:stockcast:problem:quota-spent")
    assert 7_100 < int(answer.headers["retry-after"]) <= 7_200
    assert (body["last_close"], body["last_close_session"]) == (430.47, "2013-03-01")
    assert body["detail"] == "All 25 calls a day are spent."
    assert again.json() == body
    assert len(teller.asked) == 1


def test_providers_that_are_down_are_not_asked_again_for_a_minute(setup: RefresherSetup) -> None:
    setup.go_live()
    passed = Watched()
    teller = Teller(error=ProviderDownError("teller did not connect"))
    quotes = quotes_of(teller, elapsed=passed)
    answer, _ = get(setup, quotes, "/quote/AAPL", "/quote/AAPL")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["type"] == "urn:stockcast:problem:provider-down"
    assert len(teller.asked) == 1
    passed.seconds, teller.error = 60.0, None
    assert [a.status_code for a in get(setup, quotes, "/quote/AAPL")] == [200]


def test_a_provider_without_prices_of_now_names_the_setting(setup: RefresherSetup) -> None:
    setup.go_live()
    (answer,) = get(setup, QuoteCache(MarketSettings()), "/quote/AAPL")
    assert (answer.status_code, answer.json()["type"]) == (501, "urn:stockcast:problem:no-quotes")
    assert "STOCKCAST_PROVIDER" in answer.json()["detail"]
    assert answer.json()["last_close"] == 430.47


def test_all_who_ask_at_once_share_one_call() -> None:
    teller = Teller(held=True)
    quotes = quotes_of(teller)

    async def ask() -> list[Quote]:
        asking = [asyncio.ensure_future(quotes.get("AAPL", followed=4)) for _ in range(50)]
        await asyncio.sleep(0)
        teller.go_on.set()
        return await asyncio.gather(*asking)

    assert {quote.price for quote in asyncio.run(ask())} == {431.5}
    assert len(teller.asked) == 1


def test_a_slow_provider_keeps_no_caller_and_its_answer_is_kept() -> None:
    teller = Teller(held=True)
    quotes = quotes_of(teller, wait_seconds=0.05)

    async def ask() -> Quote:
        for _ in range(2):
            with pytest.raises(Problem, match=r"within 0\.05 s; ask again") as caught:
                await quotes.get("AAPL", followed=4)
            assert caught.value.status == 503
        teller.go_on.set()
        while "AAPL" in quotes._asking:
            await asyncio.sleep(0.01)
        return await quotes.get("AAPL", followed=4)

    assert asyncio.run(ask()).price == 431.5
    assert len(teller.asked) == 1


def test_more_tickers_at_once_than_may_be_asked_are_told_to_come_again() -> None:
    teller = Teller(held=True)
    quotes = quotes_of(teller)

    async def ask() -> list[Quote | BaseException]:
        asking = [asyncio.ensure_future(quotes.get(f"T{n}", followed=4)) for n in range(9)]
        await asyncio.sleep(0)
        teller.go_on.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    *answered, refused = asyncio.run(ask())
    assert all(isinstance(quote, Quote) for quote in answered)
    assert isinstance(refused, Problem)
    assert refused.kind == "quotes-busy"


def test_an_answer_is_kept_for_a_minute_and_no_longer() -> None:
    passed, teller = Watched(), Teller()
    quotes = quotes_of(teller, elapsed=passed)

    async def ask() -> None:
        for seconds in (0.0, 59.9, 60.0):
            passed.seconds = seconds
            await quotes.get("AAPL", followed=4)

    asyncio.run(ask())
    assert len(teller.asked) == 2


def test_no_more_answers_are_kept_than_a_universe_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.quotes._MAX_KEPT", 3)
    quotes = quotes_of(Teller())

    async def ask() -> None:
        for n in range(5):
            await quotes.get(f"T{n}", followed=4)

    asyncio.run(ask())
    assert list(quotes._kept) == ["T2", "T3", "T4"]


def test_a_surprise_is_not_kept() -> None:
    teller = Teller()
    teller.error = KeyError("nobody foresaw this")  # type: ignore[assignment]
    quotes = quotes_of(teller)

    async def ask() -> Quote:
        with pytest.raises(KeyError):
            await quotes.get("AAPL", followed=4)
        teller.error = None
        return await quotes.get("AAPL", followed=4)

    assert asyncio.run(ask()).price == 431.5
