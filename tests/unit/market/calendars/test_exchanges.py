from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import exchange_calendars
import polars as pl
import pytest
from support.market.calendars import end_calendar

from core.errors import SettingsError
from market.calendars.choices import ExchangeChoices
from market.calendars.exchanges import SessionsByTicker, warn_of_ending_calendars
from market.calendars.suffixes import EXCHANGES, US_CALENDARS, exchange_of


@pytest.mark.parametrize(
    ("ticker", "exchange"),
    [
        ("AZN.L", "XLON"),
        ("005930.KS", "XKRX"),
        ("091990.KQ", "XKRX"),
        ("SAP.DE", "XETR"),
        ("BMW.F", "XFRA"),
        ("MC.PA", "XPAR"),
        ("RY4C.IR", "XDUB"),
        ("7203.T", "XTKS"),
        ("000001.SZ", "XSHG"),
        ("6488.TWO", "XTAI"),
        ("RELIANCE.NS", "XBOM"),
        ("M&M.BO", "XBOM"),
        ("SHOP.TO", "XTSE"),
        ("PETR4.SA", "BVMF"),
        ("NPN.JO", "XJSE"),
        ("VOLV-B.ST", "XSTO"),
        ("130A.T", "XTKS"),
        ("AZN.UK", "XLON"),
        ("7203.JP", "XTKS"),
        ("AAPL.US", "XNYS"),
        ("SAP.XETRA", "XETR"),
    ],
)
def test_exchange_of_suffix(ticker: str, exchange: str) -> None:
    assert exchange_of(ticker, "XNYS") == exchange


@pytest.mark.parametrize(
    "ticker",
    [
        "AAPL",
        "BRK.B",
        "BF-B",
        "HEI.A",
        "^GSPC",
        "^FTSE",
        "GC=F",
        "L",
        "T",
        "WFC.PR.L",
        "BAC.PR.V",
        "GRP.U",
        "ABC.T",
    ],
)
def test_ticker_without_exchange_suffix_belongs_to_the_default(ticker: str) -> None:
    assert exchange_of(ticker, "XNYS") == "XNYS"
    assert exchange_of(ticker, "XTKS") == "XTKS"


@pytest.mark.parametrize(
    ("ticker", "exchange"),
    [
        ("BTC-USD", "24/7"),
        ("ETH-EUR", "24/7"),
        ("1INCH-USD", "24/7"),
        ("EURUSD=X", "24/5"),
        ("JPY=X", "24/5"),
        ("BRK-B", "XNYS"),
        ("WFC-PL", "XNYS"),
        ("VOLV-B.ST", "XSTO"),
    ],
)
def test_pairs_have_the_calendar_of_their_market(ticker: str, exchange: str) -> None:
    """Regression: the weekends of BTC-USD, and US holidays of EURUSD=X, stopped every ticker."""
    assert exchange_of(ticker, "XNYS") == exchange


def test_a_crypto_pair_has_sessions_on_weekends_and_a_currency_pair_on_us_holidays() -> None:
    sessions_of = SessionsByTicker("XNYS")
    saturday, christmas = date(2024, 12, 28), date(2024, 12, 25)
    assert sessions_of("BTC-USD").is_session(saturday)
    assert not sessions_of("EURUSD=X").is_session(saturday)
    assert sessions_of("EURUSD=X").is_session(christmas)
    sunday_night = datetime(2024, 12, 29, 23, 59, tzinfo=UTC)
    assert sessions_of("BTC-USD").last_closed(sunday_night) == saturday


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), None),
        (datetime(2026, 11, 1, tzinfo=UTC), "ends on 2026-12-31, in 60 days"),
        (datetime(2027, 1, 4, tzinfo=UTC), "ended on 2026-12-31"),
    ],
)
def test_the_end_of_a_calendar_is_announced_sixty_days_before(
    monkeypatch: pytest.MonkeyPatch, now: datetime, expected: str | None
) -> None:
    """Regression: forecasts of all tickers stopped without a warning."""
    end_calendar(monkeypatch, "XSHG", date(2026, 12, 31))
    tickers = ["600999.SS", "000001.SZ", "AAPL"]

    warnings = warn_of_ending_calendars(tickers, SessionsByTicker("XNYS"), now)

    assert bool(warnings) == (expected is not None)
    for warning in warnings:
        assert f"The calendar of XSHG {expected}." in warning
        assert "600999.SS, 000001.SZ" in warning
        assert "AAPL" not in warning
        assert "install a newer `exchange-calendars`" in warning


def test_every_exchange_has_a_calendar() -> None:
    assert set(EXCHANGES.values()) <= set(exchange_calendars.get_calendar_names())


def test_every_us_calendar_is_that_of_new_york() -> None:
    assert {exchange_calendars.resolve_alias(name) for name in US_CALENDARS} == {"XNYS"}


def test_sessions_follow_the_exchange_of_the_ticker() -> None:
    sessions_of = SessionsByTicker("XNYS")
    # London closed for the Coronation.
    coronation, memorial_day = date(2023, 5, 8), date(2023, 5, 29)
    assert sessions_of("AAPL").is_session(coronation)
    assert not sessions_of("AZN.L").is_session(coronation)
    # The spring bank holiday falls on Memorial Day; Tokyo trades.
    assert not sessions_of("AAPL").is_session(memorial_day)
    assert sessions_of("7203.T").is_session(memorial_day)


def test_sessions_are_shared_per_exchange() -> None:
    sessions_of = SessionsByTicker("XNYS")
    assert sessions_of("AAPL") is sessions_of("BRK.B")
    assert sessions_of("AZN.L") is SessionsByTicker("XTKS")("VOD.L")


def test_unknown_default_exchange_raises() -> None:
    with pytest.raises(SettingsError, match=r"got 'XNIS'; did you mean .*XNYS"):
        SessionsByTicker("XNIS")


def dates_of(exchange: str) -> pl.Series:
    return SessionsByTicker(exchange)("X").between(date(2023, 1, 1), date(2024, 12, 31))


@pytest.mark.parametrize(
    ("ticker", "traded_on", "exchange"),
    [
        ("MKC.V", "XNYS", "XNYS"),  # McCormick's voting shares
        ("NUMI.V", "XTSE", "XTSE"),
        ("ABC.L", "XNYS", "XNYS"),
        ("AZN.L", "XLON", "XLON"),
        ("AZN.L", "XTKS", "XLON"),  # no calendar fits, so the bars are refused with a reason
        ("BRK.B", "XNYS", "XNYS"),
    ],
)
def test_a_suffix_names_the_exchange_only_where_the_bars_agree(
    tmp_path: Path, ticker: str, traded_on: str, exchange: str
) -> None:
    sessions_of = SessionsByTicker("XNYS", ExchangeChoices(tmp_path / "market.sqlite"))
    other = SessionsByTicker("XNYS", ExchangeChoices(tmp_path / "market.sqlite"))

    note = sessions_of.confirm(ticker, dates_of(traded_on))

    assert (note is None) == (exchange == exchange_of(ticker, "XNYS"))
    assert sessions_of(ticker).exchange == other(ticker).exchange == exchange
    assert sessions_of.of_bars(ticker, dates_of(traded_on)).exchange == exchange


def test_an_observed_exchange_is_forgotten_when_the_bars_agree_again(tmp_path: Path) -> None:
    sessions_of = SessionsByTicker("XNYS", ExchangeChoices(tmp_path / "market.sqlite"))

    note = sessions_of.confirm("MKC.V", dates_of("XNYS"))
    sessions_of.confirm("MKC.V", dates_of("XTSE"))

    assert note is not None
    assert "not in the calendar of XTSE, which its suffix names; they follow XNYS" in note
    assert sessions_of("MKC.V").exchange == "XTSE"


def test_a_thinly_traded_share_is_not_taken_for_one_of_another_exchange(tmp_path: Path) -> None:
    sessions_of = SessionsByTicker("XNYS", ExchangeChoices(tmp_path / "market.sqlite"))

    sessions_of.confirm("NUMI.V", dates_of("XTSE").gather_every(3))

    assert sessions_of("NUMI.V").exchange == "XTSE"


def test_the_exchange_that_the_user_names_is_not_observed(tmp_path: Path) -> None:
    choices = ExchangeChoices(tmp_path / "market.sqlite")
    sessions_of = SessionsByTicker("XNYS", choices)
    choices.name({"MKC.V": "XTSE"})

    assert sessions_of.confirm("MKC.V", dates_of("XNYS")) is None
    assert sessions_of("MKC.V").exchange == "XTSE"
