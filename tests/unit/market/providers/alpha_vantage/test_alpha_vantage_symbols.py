"""Conversion between our tickers and Alpha Vantage's symbols."""

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
def test_ticker_and_symbol_convert_both_ways(ticker: str, symbol: str) -> None:
    assert symbol_of(ticker) == symbol
    assert ticker_of(symbol) == ticker


@pytest.mark.parametrize("ticker", ["BRK.B", "BRK-B"])
def test_a_share_class_has_a_dash(ticker: str) -> None:
    assert symbol_of(ticker) == "BRK-B"


@pytest.mark.parametrize(
    ("ticker", "exchange", "symbol"),
    [
        ("MKC.V", "XNYS", "MKC-V"),
        ("MKC.V", "XTSE", "MKC.TRV"),
        ("WFC.PR.L", None, "WFC-P-L"),
        ("WFC.PR.L", "XNYS", "WFC-P-L"),
        ("AAC.WS", None, "AAC-WS"),
        ("AAC.U", None, "AAC-U"),
    ],
)
def test_a_us_security_is_not_taken_for_one_of_another_exchange(
    ticker: str, exchange: str | None, symbol: str
) -> None:
    """Regression: `WFC.PR.L` was requested as a share of London."""
    assert symbol_of(ticker, exchange) == symbol


@pytest.mark.parametrize(
    "ticker", ["^GSPC", "EURUSD=X", "ES=F", "BTC-USD", "005930.KS", "7203.T", "0700.HK", "AAPL.US"]
)
def test_indices_pairs_and_other_exchanges_have_no_symbol(ticker: str) -> None:
    assert symbol_of(ticker) is None


def test_a_symbol_of_another_exchange_is_only_upper_cased() -> None:
    assert ticker_of("tsla.bue") == "TSLA.BUE"
