import pytest

from core.errors import TickerError
from core.tickers import check_ticker, unknown_ticker


@pytest.mark.parametrize(
    "ticker",
    [
        "AAPL",
        "F",
        "BRK.B",
        "VOLV-B.ST",
        "BTC-USD",
        "005930.KS",
        "AZN.L",
        "^GSPC",
        "EURUSD=X",
        "M&M.NS",
    ],
)
def test_tickers_of_several_exchanges_are_accepted(ticker: str) -> None:
    assert check_ticker(ticker) == ticker


def test_a_ticker_is_returned_in_capitals() -> None:
    assert check_ticker("brk.b") == "BRK.B"


@pytest.mark.parametrize(
    ("spelling", "ticker"),
    [("BRK-B", "BRK.B"), ("brk/b", "BRK.B"), ("BF B", "BF.B"), ("A-B", "A.B"), ("MKC-V", "MKC.V")],
)
def test_a_share_class_has_one_spelling(spelling: str, ticker: str) -> None:
    assert check_ticker(spelling) == ticker


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "..",
        "../x",
        "a/b",
        "^",
        "AAPL ",
        "AAPL\n",
        "A" * 25,
        "A" * 300,
        "AAPL'; DROP TABLE bars;--",
        "ÄÖÜ",
        "\u017f",  # a letter whose capital is S
        "AAPL\x00",
    ],
)
def test_an_invalid_ticker_is_refused(text: str) -> None:
    with pytest.raises(TickerError, match="`ticker` must be 1 to 24 letters"):
        check_ticker(text)


def test_a_long_text_is_shortened_in_the_error() -> None:
    with pytest.raises(TickerError) as caught:
        check_ticker("X" * 10_000)

    assert len(str(caught.value)) < 250


def test_the_error_for_an_unknown_ticker_suggests_similar_ones() -> None:
    error = unknown_ticker("APPL", "the sample provider", ["MSFT", "AAPL", "IBM"])

    assert error.similar == ("AAPL",)
    assert (
        str(error)
        == "`ticker` 'APPL' is not available from the sample provider. Did you mean AAPL?"
    )
