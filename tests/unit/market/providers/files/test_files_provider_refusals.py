"""Errors of the files provider name file, row, column, value and the fix."""

from pathlib import Path

import pytest
from support.market.file_formats import (
    STOOQ_BULK,
    TRADED,
    YAHOO,
    YFINANCE_DOWNLOAD,
    Write,
    provider,
    refusal,
    traded,
)

from core.errors import BarsError, UnknownTickerError


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("441.40,57.56", "44l.40,57.56", "row 3, column 'Close': expected a number"),
        ("438.00,", '"438,00",', "row 4, column 'Open': expected a number"),
        ("57.98", "57.98%", "row 2, column 'Adj Close': expected a number"),
        ("20976800", "20.9 lots", "row 2, column 'Volume': expected a number"),
        ("20976800", "inf", "row 2, column 'Volume': expected a number of shares"),
        ("2013-02-28", "28/02/2013", "row 3, column 'Date': expected a date"),
        ("2013-02-28", "2013-02-30", "row 3, column 'Date': expected a date"),
        ("2013-02-28", "2013-02-28T25:00", "row 3, column 'Date': expected a date"),
    ],
)
def test_an_unparsable_cell_is_named(write: Write, old: str, new: str, at: str) -> None:
    path = write("AAPL.csv", YAHOO.replace(old, new))

    message = refusal(path)

    value = new.strip(",").strip('"').removesuffix(",57.56")
    assert message.startswith(f"{path}, {at} such as ")
    assert f"got {value!r}; correct the cell" in message


def test_the_row_is_the_line_in_the_file(write: Write) -> None:
    text = "\n" + YAHOO.replace("2013-03-01", "\n2013-03-01").replace("430.47", "bad")

    assert ", row 6, column 'Close'" in refusal(write("AAPL.csv", text))


def test_the_row_in_a_file_of_several_tickers(write: Write) -> None:
    text = STOOQ_BULK + "MSFT.US,D,20130301,000000,27.72,27.98,27.52,x,34849700,0\n"
    files = provider(write("us.txt", text))

    assert traded(files.fetch("AAPL.US")) == TRADED
    with pytest.raises(BarsError, match=r"row 5, column '<CLOSE>': expected a number .* got 'x'"):
        files.fetch("MSFT.US")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; add rows or exclude it from `bars`"),
        ("\n\n", "the file is empty"),
        ("Date,Open,High,Low,Close,Volume\n", "the file has a header but no rows"),
        (YAHOO.replace("Close", "Ending", 1), "no column for close among 'Date', 'Open'"),
        (YAHOO.replace("Date", "When"), "no column for session among 'When'"),
        (YAHOO.replace("Adj Close", "close"), "'Close' and 'close' both map to `close`"),
        (YAHOO.replace("Adj Close", "Close"), "'Close' and 'Close_duplicated_0' both map to"),
        (YAHOO.replace("Open", "timestamp"), "'Date' and 'timestamp' both map to `session`"),
        (YAHOO + "2013-03-04,1,2,3,4,5,6,7\n", "row 5: 8 cells, but the header has 7"),
        (STOOQ_BULK.replace("AAPL.US,D", "AAPL.US,60"), "row 2, column '<PER>': expected D"),
        (STOOQ_BULK.replace("AAPL.US,D", ",D"), "row 2, column '<TICKER>': `ticker` must be"),
        (
            YFINANCE_DOWNLOAD.replace("Ticker,AAPL", "Ticker,IBM"),
            "the columns belong to several tickers (AAPL, IBM)",
        ),
        (YAHOO + '"2013-03-04,1\n', "the file cannot be read"),
    ],
)
def test_an_invalid_file_is_named_with_the_reason(write: Write, text: str, message: str) -> None:
    path = write("AAPL.csv", text)

    error = refusal(path)

    assert error.startswith(str(path))
    assert message in error


def test_a_damaged_parquet_or_gzip_file_is_named(tmp_path: Path) -> None:
    for name in ("AAPL.parquet", "AAPL.csv.gz"):
        path = tmp_path / name
        path.write_bytes(b"not what the name says")

        assert refusal(path).startswith(f"{path}: the file cannot be read (")


def test_a_file_name_that_is_not_a_ticker_is_named(write: Write) -> None:
    path = write("my prices.csv", YAHOO)

    assert refusal(path).startswith(f"{path}: the file has no column `ticker`, so its name must")


@pytest.mark.parametrize("bars", ["nothing", "*.csv", "*.md"])
def test_a_pattern_without_a_match_is_named(write: Write, tmp_path: Path, bars: str) -> None:
    write("README.md", "not bars")

    message = refusal(tmp_path / bars)

    assert message.startswith("`bars` must be a folder, glob or file with bars in .csv, .txt")
    assert repr(str(tmp_path / bars)) in message


def test_another_encoding_in_an_unused_column_is_accepted(write: Write) -> None:
    header, *rows = YAHOO.splitlines()
    text = "\n".join([f"{header},Name", *(f"{row},Société" for row in rows)])

    files = provider(write("AAPL.csv", text, encoding="latin-1"))

    assert traded(files.fetch("AAPL")) == TRADED


def test_an_unknown_ticker_lists_similar_tickers(write: Write) -> None:
    with pytest.raises(UnknownTickerError, match="Did you mean AAPL"):
        provider(write("AAPL.csv", YAHOO)).fetch("APL")
