"""Spellings: our tickers and Alpha Vantage's symbols."""

import pytest

from market.providers.alpha_vantage.symbols import symbol_of, ticker_of

PAIRS = [
    ("AAPL", "AAPL"),
    ("AZN.L", "AZN.LON"),
    ("BT-A.L", "BT-A.LON"),
    ("SAP.DE", "SAP.DEX"),
    ("BMW.F", "BMW.FRK"),
    ("SHOP.TO", "SHOP.TRT"),
    ("GPV.V", "GPV.TRV"),
    ("600104.SS", "600104.SHH"),
    ("000002.SZ", "000002.SHZ"),
    ("RELIANCE.BO", "RELIANCE.BSE"),
    ("M&M.BO", "M&M.BSE"),
    ("MC.PA", "MC.PAR"),
    ("ASML.AS", "ASML.AMS"),
    ("PETR4.SA", "PETR4.SAO"),
]


@pytest.mark.parametrize(("ticker", "symbol"), PAIRS)
def test_a_ticker_has_the_symbol_that_alpha_vantage_uses(ticker: str, symbol: str) -> None:
    assert symbol_of(ticker) == symbol
    assert ticker_of(symbol) == ticker


@pytest.mark.parametrize("ticker", ["BRK.B", "BRK-B"])
def test_a_class_of_shares_is_written_with_a_dash(ticker: str) -> None:
    assert symbol_of(ticker) == "BRK-B"


@pytest.mark.parametrize(
    "ticker", ["^GSPC", "EURUSD=X", "ES=F", "BTC-USD", "005930.KS", "7203.T", "0700.HK", "AAPL.US"]
)
def test_indices_pairs_and_other_exchanges_have_no_symbol(ticker: str) -> None:
    assert symbol_of(ticker) is None


def test_a_symbol_of_an_exchange_that_we_do_not_spell_stays_as_it_is() -> None:
    assert ticker_of("tsla.bue") == "TSLA.BUE"
