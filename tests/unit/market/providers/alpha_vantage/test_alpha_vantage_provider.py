"""Requests and results of the `alpha_vantage` provider."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.alpha_vantage.access import EVENING, FRIDAY, TWENTY, connect, evening_clock
from support.alpha_vantage.emulator import AlphaVantageEmulator
from support.market.bars import sample_bars, xnys

from core.errors import QuotaError, TierError, UnknownTickerError
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.providers.protocol import ACTIONS_SCHEMA, ActionsProvider, QuoteProvider, SessionRange
from market.quota.ledger import QuotaLedger

AAPL_SPLIT = date(2005, 2, 28)
RAW = ["open", "high", "low", "close", "volume"]


@pytest.fixture
def emulator() -> Iterator[AlphaVantageEmulator]:
    bars = sample_bars("AAPL", "IBM", "MSFT")
    london = bars.filter(pl.col("ticker") == "IBM").with_columns(ticker=pl.lit("M&S.LON"))
    with AlphaVantageEmulator(pl.concat([bars, london]), evening_clock()) as service:
        service.act("AAPL", AAPL_SPLIT, split_factor=2.0)
        service.act("AAPL", date(2000, 6, 21), split_factor=2.0)
        service.act("AAPL", date(2012, 8, 9), dividend=2.65)
        yield service


def as_traded(ticker: str, start: date) -> pl.DataFrame:
    return sample_bars(ticker, start=start, end=FRIDAY).select("session", *RAW)


def test_a_free_key_fetches_the_newest_100_bars_as_traded(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    bars = connect(emulator, tmp_path).fetch("AAPL", TWENTY)

    assert bars.schema == BAR_SCHEMA
    assert bars.select("session", *RAW).equals(as_traded("AAPL", xnys().offset(FRIDAY, -99)))
    for missing in ("adj_close", "split_factor", "dividend"):
        assert bars.get_column(missing).null_count() == 100
    assert [call.function for call in emulator.calls] == ["TIME_SERIES_DAILY"]


@pytest.mark.parametrize(
    "session_range", [None, SessionRange(start=date(2012, 1, 6), n_sessions=101)]
)
def test_a_range_beyond_the_reach_of_a_free_key_raises_without_a_call(
    emulator: AlphaVantageEmulator, tmp_path: Path, session_range: SessionRange | None
) -> None:
    with pytest.raises(TierError, match="STOCKCAST_ALPHA_VANTAGE_TIER") as caught:
        connect(emulator, tmp_path).fetch("AAPL", session_range)

    assert caught.value.reach == 100
    assert "STOCKCAST_BACKUPS" in str(caught.value)
    assert emulator.calls == []


def test_a_premium_key_fetches_the_whole_history_with_actions(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path, tier="premium_75")

    bars = provider.fetch("AAPL")

    assert not provider.has_separate_actions
    assert bars.select("session", *RAW).equals(as_traded("AAPL", date(2000, 3, 1)))
    splits = bars.filter(pl.col("split_factor") != 1.0)
    assert splits.get_column("session").to_list() == [date(2000, 6, 21), AAPL_SPLIT]
    assert bars.get_column("dividend").unique().to_list() == [0.0]
    assert bars.get_column("adj_close").null_count() == bars.height
    assert len(emulator.calls) == 1


def test_a_premium_key_requests_a_compact_response_if_possible(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path, tier="premium_75")

    assert provider.fetch("AAPL", SessionRange(date(2012, 1, 9), 100)).height == 100
    assert provider.fetch("AAPL", SessionRange(date(2012, 1, 6), 101)).height > 3000


def test_actions_are_splits_and_dividends_by_ex_date(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)
    emulator.act("AAPL", date(2012, 6, 20), dividend=2.65)
    emulator.act("AAPL", date(2012, 6, 20), dividend=0.35)

    actions = provider.fetch_actions("AAPL")

    assert provider.has_separate_actions
    assert isinstance(provider, ActionsProvider)
    assert actions.schema == ACTIONS_SCHEMA
    assert actions.rows() == [
        ("AAPL", date(2000, 6, 21), 2.0, 0.0),
        ("AAPL", AAPL_SPLIT, 2.0, 0.0),
        ("AAPL", date(2012, 6, 20), 1.0, 3.0),
    ]
    assert [call.function for call in emulator.calls] == ["SPLITS", "DIVIDENDS"]


def test_a_ticker_without_actions_has_an_empty_frame(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    actions = connect(emulator, tmp_path).fetch_actions("MSFT")

    assert actions.schema == ACTIONS_SCHEMA
    assert actions.is_empty()


def test_a_quote_is_the_price_of_the_last_session(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)

    quote = provider.fetch_quote("MSFT")

    assert isinstance(provider, QuoteProvider)
    assert (quote.price, quote.previous_close, quote.volume) == (28.45, 29.19, 56_634_300)
    assert (quote.session, quote.requested_at, quote.source) == (FRIDAY, EVENING, "alpha_vantage")


def test_quotes_leave_the_reserved_calls(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    provider = connect(emulator, tmp_path)

    for _ in range(2):
        provider.fetch_quote("MSFT", reserved_calls=23)
        emulator.clock.sleep(60)

    with pytest.raises(QuotaError):
        provider.fetch_quote("MSFT", reserved_calls=23)
    assert len(emulator.calls) == 2


def test_a_quote_does_not_wait_for_a_full_window(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)
    for _ in range(5):
        provider.fetch("AAPL", TWENTY)

    with pytest.raises(QuotaError):
        provider.fetch_quote("MSFT")
    assert len(emulator.calls) == 5


def test_a_search_returns_our_tickers(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    matches = connect(emulator, tmp_path).search("M&S.LO")

    assert matches[0].ticker == "M&S.L"
    assert (matches[0].region, matches[0].currency, matches[0].score) == (
        "United States",
        "USD",
        1.0,
    )


def test_a_ticker_with_an_ampersand_is_escaped(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    bars = connect(emulator, tmp_path).fetch("M&S.L", TWENTY)

    assert bars.get_column("ticker").unique().to_list() == ["M&S.L"]
    assert emulator.calls[0].symbol == "M&S.LON"


@pytest.mark.parametrize("tier", ["free", "premium_75"])
def test_an_unknown_ticker_costs_one_search_for_similar_tickers(
    emulator: AlphaVantageEmulator, tmp_path: Path, tier: str
) -> None:
    provider = connect(emulator, tmp_path, tier=tier)

    with pytest.raises(UnknownTickerError, match="Did you mean AAPL") as caught:
        provider.fetch("APPL", TWENTY)

    assert caught.value.similar == ("AAPL",)
    assert [call.function for call in emulator.calls][1:] == ["SYMBOL_SEARCH"]


def test_searches_use_at_most_three_calls_of_a_free_key_per_day(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)

    for _ in range(5):
        with pytest.raises(UnknownTickerError):
            provider.fetch("APPL", TWENTY)

    assert [call.function for call in emulator.calls].count("SYMBOL_SEARCH") == 3


def test_the_ledger_records_every_call_with_its_purpose(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)
    emulator.inject_fault("status_503")

    provider.fetch("AAPL", TWENTY)
    provider.fetch_actions("AAPL")
    provider.fetch_quote("AAPL")
    emulator.clock.sleep(60)
    provider.search("AAPL")

    usage = QuotaLedger(tmp_path / "market.sqlite", emulator.clock).usage(provider.budget)
    assert usage.by_purpose == {"ingest": 2, "actions": 2, "quote": 1, "search": 1}
    assert usage.made_today == len(emulator.calls)


def test_a_failed_search_does_not_hide_the_unknown_ticker(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    emulator.inject_fault("status_500", function="SYMBOL_SEARCH")

    with pytest.raises(UnknownTickerError) as caught:
        connect(emulator, tmp_path).fetch("APPL", TWENTY)

    assert caught.value.similar == ()


def test_an_unknown_ticker_has_no_quote(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    with pytest.raises(UnknownTickerError):
        connect(emulator, tmp_path).fetch_quote("APPL")

    assert len(emulator.calls) == 1


@pytest.mark.parametrize("ticker", ["^GSPC", "EURUSD=X", "005930.KS"])
def test_a_ticker_without_a_symbol_costs_no_call(
    emulator: AlphaVantageEmulator, tmp_path: Path, ticker: str
) -> None:
    provider = connect(emulator, tmp_path)

    for fetch in (provider.fetch, provider.fetch_actions, provider.fetch_quote):
        with pytest.raises(UnknownTickerError):
            fetch(ticker)
    assert emulator.calls == []


def test_a_repeated_session_is_left_to_validation(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    emulator.inject_fault("doubled")

    bars = connect(emulator, tmp_path).fetch("AAPL", TWENTY)
    validated = validate_bars(bars, xnys(), last_session=FRIDAY)

    assert validated.bars.height == 100
    assert validated.quarantine.get_column("reason").to_list() == [
        "duplicate: the same bar follows"
    ]


def test_a_repeated_split_or_dividend_counts_once(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    emulator.inject_fault("doubled", times=2)

    actions = connect(emulator, tmp_path).fetch_actions("AAPL")

    assert actions.get_column("split_factor").to_list() == [2.0, 2.0]
