"""Bars, actions and quotes of Yahoo, fetched over HTTP by yfinance from the emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.yahoo.emulator import SAMPLE_SPLITS, Fault, YahooEmulator, connect

from core.errors import SettingsError, UnknownTickerError
from market.bars.adjustments import adjust_bars
from market.bars.contract import validate_bars
from market.providers.protocol import ActionsProvider, QuoteProvider, SessionRange
from market.providers.yahoo.provider import BUDGET, YahooProvider
from market.quota.ledger import QuotaLedger

EVENING = datetime(2013, 3, 1, 22, tzinfo=UTC)
AS_TRADED = ("session", "open", "high", "low", "close", "volume")


@pytest.fixture
def yahoo() -> Iterator[YahooEmulator]:
    clock = MovingClock(EVENING)
    bars = sample_bars("AAPL", "MSFT")
    with YahooEmulator(bars, clock, actions=SAMPLE_SPLITS) as emulator:
        yield emulator


@pytest.fixture
def provider(yahoo: YahooEmulator, tmp_path: Path) -> YahooProvider:
    return connect(yahoo, tmp_path)


@pytest.mark.parametrize("ticker", ["AAPL", "MSFT"])
def test_bars_are_as_traded_across_all_splits(provider: YahooProvider, ticker: str) -> None:
    bars = provider.fetch(ticker)

    assert bars.select(AS_TRADED).equals(sample_bars(ticker).select(AS_TRADED))
    assert bars["adj_close"].null_count() == bars.height


def test_adjusted_bars_have_the_returns_of_the_sample(provider: YahooProvider) -> None:
    adjusted = adjust_bars(provider.fetch("AAPL"))
    # AAPL paid no dividend in these years.
    sample = sample_bars("AAPL", end=date(2012, 8, 1))
    close = adjusted["close"].head(sample.height)

    ratio = close / sample["adj_close"]
    assert ratio.max() == pytest.approx(ratio.min(), rel=2e-6)


def test_splits_have_their_ex_dates(provider: YahooProvider) -> None:
    actions = provider.fetch_actions("AAPL")

    assert actions.equals(SAMPLE_SPLITS.filter(pl.col("ticker") == "AAPL"))
    assert isinstance(provider, ActionsProvider)
    assert not provider.has_separate_actions


def test_dividends_before_a_split_are_as_declared(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.act("MSFT", date(2003, 2, 19), dividend=0.08)
    yahoo.act("MSFT", date(2003, 1, 15), dividend=0.16)

    bars = provider.fetch("MSFT").filter(pl.col("dividend") > 0)

    assert bars.select("session", "dividend").rows() == [
        (date(2003, 1, 15), 0.16),
        (date(2003, 2, 19), 0.08),
    ]


def test_a_later_split_changes_no_bar_as_traded(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    session_range = SessionRange(date(2013, 2, 20), n_sessions=8)
    before = provider.fetch("MSFT", session_range)
    yahoo.act("MSFT", date(2013, 2, 27), split_factor=2.0)
    yahoo.correct("MSFT", date(2013, 2, 27), open=13.71, high=14.0, low=13.67, close=13.9)

    after = provider.fetch("MSFT", session_range)

    until = pl.col("session") < date(2013, 2, 27)
    assert after.filter(until).equals(before.filter(until))


def test_a_range_is_requested_from_the_day_before_its_start(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    bars = provider.fetch("AAPL", SessionRange(date(2013, 2, 25), n_sessions=5))

    assert bars["session"].max() == date(2013, 3, 1)
    assert bars.filter(pl.col("session") >= date(2013, 2, 25)).height == 5
    assert bars["session"].min() >= date(2013, 2, 22)
    assert yahoo.charts()[0].query["period1"] == str(
        int(datetime(2013, 2, 24, tzinfo=UTC).timestamp())
    )


def test_a_range_without_a_session_is_empty(provider: YahooProvider) -> None:
    assert provider.fetch("AAPL", SessionRange(date(2013, 3, 4), n_sessions=1)).is_empty()


def test_the_bar_of_a_session_in_progress_is_dropped(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.clock.set_wall(datetime(2013, 3, 1, 18, tzinfo=UTC))

    assert provider.fetch("AAPL")["session"].max() == date(2013, 2, 28)
    assert provider.fetch_quote("AAPL").session == date(2013, 3, 1)


def test_before_the_opening_the_newest_bar_is_of_the_previous_session(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.clock.set_wall(datetime(2013, 3, 1, 12, tzinfo=UTC))

    assert provider.fetch("AAPL")["session"].max() == date(2013, 2, 28)


def test_a_delayed_bar_is_dropped_until_its_last_trade_is_published(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.delay = timedelta(minutes=15)
    yahoo.clock.set_wall(datetime(2013, 3, 1, 21, 5, tzinfo=UTC))
    # Validation would accept the bar, because the session has closed.
    assert xnys().last_closed(yahoo.clock.now()) == date(2013, 3, 1)

    assert provider.fetch("AAPL")["session"].max() == date(2013, 2, 28)
    yahoo.clock.set_wall(datetime(2013, 3, 1, 21, 15, tzinfo=UTC))
    assert provider.fetch("AAPL")["session"].max() == date(2013, 3, 1)


def test_bars_pass_validation(provider: YahooProvider) -> None:
    validated = validate_bars(provider.fetch("MSFT"), xnys(), last_session=date(2013, 3, 1))

    assert validated.quarantine.is_empty()


def test_a_correction_is_fetched_by_the_next_request(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    session_range = SessionRange(date(2013, 2, 27), n_sessions=3)
    provider.fetch("AAPL", session_range)
    yahoo.correct("AAPL", date(2013, 2, 28), close=442.12)

    bars = provider.fetch("AAPL", session_range)

    assert bars.filter(pl.col("session") == date(2013, 2, 28))["close"].item() == 442.12


def test_a_quote_costs_one_call(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    quote = provider.fetch_quote("MSFT", reserved_calls=10)

    assert (quote.price, quote.previous_close, quote.volume) == (27.95, 27.8, 34_849_700)
    assert (quote.session, quote.source) == (date(2013, 3, 1), "yahoo")
    assert len(yahoo.charts()) == 1
    assert isinstance(provider, QuoteProvider)


@pytest.mark.parametrize("method", ["fetch", "fetch_actions", "fetch_quote"])
def test_an_unknown_ticker_is_not_retried(
    yahoo: YahooEmulator, provider: YahooProvider, method: str
) -> None:
    with pytest.raises(UnknownTickerError, match="'APPL' is not available from the yahoo provider"):
        getattr(provider, method)("APPL")

    assert len(yahoo.charts()) == 1


def test_an_unknown_ticker_costs_one_search_for_similar_tickers(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    with pytest.raises(UnknownTickerError) as caught:
        provider.fetch("APPL")

    assert caught.value.similar == ("AAPL",)
    assert [call.kind for call in yahoo.calls] == ["cookie", "crumb", "chart", "search"]


@pytest.mark.parametrize("fault", ["status_503", "empty", "cut_body"])
def test_a_failed_search_does_not_hide_the_unknown_ticker(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None, kind="search")

    with pytest.raises(UnknownTickerError) as caught:
        provider.fetch("APPL")
    assert caught.value.similar == ()


def test_a_ticker_without_any_bar_is_unknown(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("no_bars", times=2)

    assert provider.fetch("AAPL", SessionRange(date(2013, 2, 25), n_sessions=5)).is_empty()
    with pytest.raises(UnknownTickerError):
        provider.fetch("AAPL")


def test_share_classes_and_indices_are_requested_by_yahoos_symbols(tmp_path: Path) -> None:
    clock = MovingClock(EVENING)
    symbols = {"AAPL": "BRK-B", "MSFT": "^GSPC"}
    bars = sample_bars(*symbols).with_columns(pl.col("ticker").replace(symbols))
    with YahooEmulator(bars, clock) as yahoo:
        provider = connect(yahoo, tmp_path)

        assert provider.fetch("BRK.B")["ticker"].unique().to_list() == ["BRK.B"]
        assert provider.fetch("^GSPC").height == 3270
        assert [call.symbol for call in yahoo.charts()] == ["BRK-B", "^GSPC"]


def test_the_ledger_records_every_request_including_cookies(
    yahoo: YahooEmulator, provider: YahooProvider, tmp_path: Path
) -> None:
    provider.fetch("AAPL")
    provider.fetch_quote("MSFT")

    ledger = QuotaLedger(tmp_path / "market.sqlite", yahoo.clock)
    calls = ledger.calls(BUDGET, since=EVENING - timedelta(hours=1))
    assert [call.kind for call in yahoo.calls] == ["cookie", "crumb", "chart", "chart"]
    assert calls.select("purpose", "ticker").rows() == [("ingest", "AAPL")] * 3 + [
        ("quote", "MSFT")
    ]


def test_yfinance_writes_no_pickle_files(
    provider: YahooProvider,
) -> None:
    from yfinance import cache  # noqa: PLC0415  # a second

    provider.fetch("AAPL")

    for manager in (cache._CookieDBManager, cache._TzDBManager):
        assert manager._db is None
        assert not Path(manager.get_location()).exists()


def test_the_official_address_keeps_the_host_of_each_request() -> None:
    from market.providers.yahoo.transport import OFFICIAL_URL, YahooSession  # noqa: PLC0415

    ledger = QuotaLedger(Path("unused"))
    official = YahooSession(url=OFFICIAL_URL, timeout=5, budget=BUDGET, ledger=ledger)
    other = YahooSession(url="http://127.0.0.1:9", timeout=5, budget=BUDGET, ledger=ledger)

    for path in ("https://fc.yahoo.com", "https://query1.finance.yahoo.com/v1/test/getcrumb"):
        assert official._address_of(path) == path
    assert other._address_of("https://fc.yahoo.com") == "http://127.0.0.1:9"
    assert (
        other._address_of("https://query1.finance.yahoo.com/v1?a=b") == "http://127.0.0.1:9/v1?a=b"
    )


def test_a_missing_yfinance_raises_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    ledger = QuotaLedger(tmp_path / "market.sqlite")

    with pytest.raises(SettingsError, match=r"pip install 'stockcast\[yahoo\]'"):
        YahooProvider(url="http://127.0.0.1:9", timeout=5, ledger=ledger)
