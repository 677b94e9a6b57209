"""Several tickers side by side and in folders, and tickers in the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.market.file_formats import (
    NAMES,
    PLAIN,
    TRADED,
    YAHOO,
    Write,
    provider,
    refusal,
    traded,
)

ROWS = [[str(cell) for cell in row] for row in TRADED]


def side_by_side(*header: str) -> str:
    """Return `TRADED` for AAPL and MSFT side by side, under a header."""
    return "\n".join([*header, *(",".join(row + row[1:]) for row in ROWS)]) + "\n"


PAIRS = [(name, ticker) for ticker in ("AAPL", "MSFT") for name in NAMES]
PRICES, TICKERS = (",".join(part) for part in zip(*PAIRS, strict=True))
MERGED = ",".join(["AAPL", "", "", "", "", "MSFT", "", "", "", ""])


@pytest.mark.parametrize(
    "header",
    [
        (f"Price,{PRICES}", f"Ticker,{TICKERS}", "Date" + "," * 10),
        (f"Ticker,{TICKERS}", f"Price,{PRICES}", "Date" + "," * 10),
        (f",{PRICES}", f",{TICKERS}", "Date" + "," * 10),
        (f"Attributes,{PRICES}", f"Symbols,{TICKERS}", "Date" + "," * 10),
        (f"Price,{PRICES}", f"Ticker,{TICKERS}"),
        (f"Date,{PRICES}", f",{TICKERS}"),
        (f",{MERGED}", f"Date,{PRICES}"),
        ("Date," + ",".join(f"{name}_{ticker}" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"{ticker}_{name}" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"{ticker} {name}" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"{ticker}.{name}" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"{name.lower()}:{ticker}" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"\"('{name}', '{ticker}')\"" for name, ticker in PAIRS),),
        ("Date," + ",".join(f"\"('{ticker}', '{name}')\"" for name, ticker in PAIRS),),
    ],
)
def test_tickers_side_by_side_are_read_in_every_spelling(
    write: Write, header: tuple[str, ...]
) -> None:
    files = provider(write("all.csv", side_by_side(*header)))

    assert files.tickers() == ("AAPL", "MSFT")
    assert traded(files.fetch("AAPL")) == traded(files.fetch("MSFT")) == TRADED


@pytest.mark.parametrize("by_ticker", [False, True])
def test_parquet_of_pandas_with_two_levels_of_columns_is_read(
    tmp_path: Path, *, by_ticker: bool
) -> None:
    import pandas as pd  # noqa: PLC0415  # only this test needs pandas

    levels = [(t, n) if by_ticker else (n, t) for n, t in PAIRS]
    rows = [[*map(float, row[1:]), *map(float, row[1:])] for row in ROWS]
    index = pd.DatetimeIndex([row[0] for row in ROWS], name="Date")
    frame = pd.DataFrame(rows, index=index, columns=pd.MultiIndex.from_tuples(levels))
    frame.to_parquet(tmp_path / "all.parquet")

    files = provider(tmp_path)

    assert files.tickers() == ("AAPL", "MSFT")
    assert traded(files.fetch("MSFT")) == TRADED


def test_a_ticker_side_by_side_without_prices_on_a_session_has_no_row(write: Write) -> None:
    text = side_by_side("Date," + ",".join(f"{name}_{ticker}" for name, ticker in PAIRS))
    first = text.splitlines()[1]
    text = text.replace(first, ",".join([*first.split(",")[:6], "", "", "", "", ""]))

    files = provider(write("all.csv", text))

    assert traded(files.fetch("AAPL")) == TRADED
    assert traded(files.fetch("MSFT")) == TRADED[1:]


def test_a_partitioned_folder_names_the_ticker(tmp_path: Path) -> None:
    for ticker in ("AAPL", "BRK.B", "EURUSD%3DX"):
        folder = tmp_path / "year=2013" / f"Ticker={ticker}"
        folder.mkdir(parents=True)
        PLAIN.write_parquet(folder / "3503dbde0edc4f8fa9c200072e0c4bec-0.parquet")
        (folder / "_SUCCESS").write_text("")

    files = provider(tmp_path)

    assert files.tickers() == ("AAPL", "BRK.B", "EURUSD=X")
    assert traded(files.fetch("BRK.B")) == TRADED
    assert provider(tmp_path / "**" / "*.parquet").tickers() == files.tickers()
    assert files.notes() == ()


def test_a_part_of_a_data_set_is_no_ticker(tmp_path: Path) -> None:
    PLAIN.write_parquet(tmp_path / "part-00000.parquet")

    assert "'part-00000' is the name of a part of a data set" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["AAPL.csv", "AAPL (1).csv", "AAPL Historical Data.csv", "daily_AAPL.csv", "aapl_daily.csv"],
)
def test_names_of_downloads_name_the_ticker(write: Write, name: str) -> None:
    assert provider(write(name, YAHOO)).tickers() == ("AAPL",)
