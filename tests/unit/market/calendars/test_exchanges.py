from __future__ import annotations

from datetime import date

import exchange_calendars
import pytest

from core.errors import SettingsError
from market.calendars.exchanges import _EXCHANGES, SessionsByTicker, exchange_of


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
    ],
)
def test_exchange_of_suffix(ticker: str, exchange: str) -> None:
    assert exchange_of(ticker, "XNYS") == exchange


@pytest.mark.parametrize(
    "ticker", ["AAPL", "BRK.B", "BF-B", "HEI.A", "^GSPC", "^FTSE", "EURUSD=X", "GC=F", "L", "T"]
)
def test_ticker_without_exchange_suffix_belongs_to_the_default(ticker: str) -> None:
    assert exchange_of(ticker, "XNYS") == "XNYS"
    assert exchange_of(ticker, "XTKS") == "XTKS"


def test_every_exchange_has_a_calendar() -> None:
    assert set(_EXCHANGES.values()) <= set(exchange_calendars.get_calendar_names())


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
