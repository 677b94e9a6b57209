"""Terminal output about market data."""

from io import StringIO

from rich.console import Console

from stockcast.cli.output.market_tables import print_removed


def removed(*tickers: str) -> str:
    console = Console(file=StringIO(), width=200)
    print_removed(console, tickers)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_ticker_whose_file_was_removed_is_reported() -> None:
    assert removed("IBM", "ACME") == (
        "No longer listed by the provider or the settings: ACME, IBM. Stored bars are kept, but "
        "there are no new bars and forecasts.\n"
    )


def test_nothing_is_printed_if_no_ticker_was_removed() -> None:
    assert removed() == ""
