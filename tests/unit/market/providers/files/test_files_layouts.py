"""Several tickers side by side, in folders and in JSON; other formats, and repeated rows."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.market.bars import xnys
from support.market.file_formats import TRADED, YAHOO, Write, provider, refusal, traded

from core.errors import BarsError
from core.settings import load_settings
from market.bars.contract import validate_bars
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.factory import make_provider
from market.providers.files.provider import FilesProvider
from market.settings import MarketSettings
from market.store import BarStore

NAMES = ("Open", "High", "Low", "Close", "Volume")
ROWS = [[str(cell) for cell in row] for row in TRADED]
RECORDS = [
    dict(zip(("date", "open", "high", "low", "close", "volume"), r, strict=True)) for r in ROWS
]
PLAIN = pl.DataFrame(RECORDS)


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


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("prices/AAPL.csv", content)
        archive.writestr("__MACOSX/prices/._AAPL.csv", b"junk")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("AAPL.csv.gz", gzip.compress),
        ("AAPL.csv.bz2", bz2.compress),
        ("AAPL.csv.xz", lzma.compress),
        ("AAPL.csv.zip", zipped),
        ("AAPL.csv", gzip.compress),
        ("AAPL.txt", zipped),
        ("AAPL.tsv", lambda content: content.replace(b",", b"\t")),
        ("AAPL.csv", lambda content: content.replace(b",", b"|")),
    ],
)
def test_compressed_files_are_read_whatever_their_name(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(compress(YAHOO.encode()))

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


@pytest.mark.parametrize("name", ["AAPL.feather", "AAPL.arrow", "AAPL.csv"])
def test_arrow_files_are_read(tmp_path: Path, name: str) -> None:
    PLAIN.write_ipc(tmp_path / name)

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


BY_DATE = {
    row["date"]: {f"{n}. {name}": row[name] for n, name in enumerate(list(row)[1:], 1)}
    for row in RECORDS
}
MIDNIGHTS = [1361941200, 1362027600, 1362114000]
SHORT = [
    {
        "t": at * 1000,
        "o": r["open"],
        "h": r["high"],
        "l": r["low"],
        "c": r["close"],
        "v": r["volume"],
    }
    for at, r in zip(MIDNIGHTS, RECORDS, strict=True)
]
LISTS = {name: [float(row[name]) for row in RECORDS] for name in list(RECORDS[0])[1:]}
JSON: dict[str, Any] = {
    "records": RECORDS,
    "alpha-vantage": {"Meta Data": {"2. Symbol": "AAPL"}, "Time Series (Daily)": BY_DATE},
    "polygon": {"ticker": "AAPL", "queryCount": 3, "results": SHORT},
    "alpaca": {"bars": {"AAPL": SHORT}, "next_page_token": None},
    "twelve-data": {"meta": {"symbol": "AAPL", "interval": "1day"}, "values": RECORDS},
    "finnhub": {
        **{key: [row[key] for row in SHORT] for key in "ohlcv"},
        "s": "ok",
        "t": MIDNIGHTS,
    },
    "yahoo": {
        "chart": {
            "result": [
                {
                    "meta": {"symbol": "AAPL"},
                    "timestamp": MIDNIGHTS,
                    "indicators": {"quote": [LISTS], "adjclose": [{"adjclose": [1, 2, 3]}]},
                }
            ]
        }
    },
    "pandas-columns": {
        name.title(): {
            str(at * 1000): row[name] for at, row in zip(MIDNIGHTS, RECORDS, strict=True)
        }
        for name in list(RECORDS[0])[1:]
    },
    "pandas-split": {
        "columns": list(RECORDS[0]),
        "index": [0, 1, 2],
        "data": [list(row.values()) for row in RECORDS],
    },
}


@pytest.mark.parametrize("document", JSON.values(), ids=JSON.keys())
def test_json_of_data_apis_and_pandas_is_read(write: Write, document: object) -> None:
    files = provider(write("aapl.json", json.dumps(document)))

    assert files.tickers() == ("AAPL",)
    assert traded(files.fetch("AAPL")) == TRADED


def test_json_lines_are_read(write: Write) -> None:
    text = "\n".join(json.dumps({"symbol": "AAPL", **row}) for row in RECORDS)

    assert traded(provider(write("all.jsonl", text)).fetch("AAPL")) == TRADED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "the file cannot be read"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "this is an old Excel workbook; save it as CSV"),
        (b"<!DOCTYPE html><html>Sign in</html>", "this is a web page and not a table"),
        (b"\n<table><tr>", "this is a web page and not a table"),
        (b"%PDF-1.7", "this is a PDF document"),
        (b"SQLite format 3\x00", "this is an SQLite database"),
        (b'{"Note": "call frequency"}', "the JSON has no rows with names such as date"),
        (b"{broken", "the file cannot be read as JSON"),
        (bytes(range(256)), "AAPL.csv"),
        (b'a"b\r\x00"c\rd,"e', "AAPL.csv"),
    ],
)
def test_a_file_of_another_kind_is_named_without_a_trace(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "AAPL.csv").write_bytes(content)

    assert message in refusal(tmp_path / "AAPL.csv")


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


def test_a_workbook_named_csv_stops_its_own_ticker_only(write: Write, tmp_path: Path) -> None:
    (tmp_path / "MSFT.csv").write_bytes(workbook())
    write("AAPL.csv", YAHOO)
    files = provider(tmp_path)

    assert files.tickers() == ("AAPL", "MSFT")
    assert traded(files.fetch("AAPL")) == TRADED
    with pytest.raises(BarsError, match=r"MSFT\.csv: this is an Excel workbook; save it as CSV"):
        files.fetch("MSFT")


def test_files_and_folders_that_are_not_read_are_named(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    (tmp_path / "MSFT.xlsx").write_bytes(workbook())
    (tmp_path / "more").mkdir()

    (note,) = provider(tmp_path).notes()

    assert note.startswith(f"Not read in {tmp_path}: MSFT.xlsx, more.")
    assert "save it as CSV" in note
    assert "folder/**/*.csv" in note
    assert "Excel workbooks: save it as CSV" in refusal(tmp_path / "MSFT.xlsx")


def test_formats_and_ignored_rows_are_named(write: Write) -> None:
    text = (
        YAHOO.replace("Close", "Last", 1)
        .replace("2013-02-28", "02/28/2013")
        .replace("2013-02-27", "02/27/2013")
        .replace("2013-03-01", "03/01/2013")
    )
    path = write("AAPL.csv", text + "Total,,,,,,1\n")
    files = provider(path)
    files.fetch("AAPL")

    assert files.notes() == (
        f"{path}: read 'Last' as close, dates as month/day/year.",
        f"{path}: ignored row 5 ('Total'), which contain no bar.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Both orders give sessions of New York.
        (
            YAHOO.replace("2013-02-27", "02/01/2013")
            .replace("2013-02-28", "04/02/2013")
            .replace("2013-03-01", "05/02/2013"),
            "dates such as '02/01/2013' can be read as day/month/year and as month/day/year",
        ),
        (
            "Date;Open;High;Low;Close;Volume\n2013-02-27;1,234;1,236;1,231;1,235;9\n",
            "column 'Open': the mark in '1,234' can be a decimal mark",
        ),
        (
            "Date;Open;High;Low;Close;Volume\n2013-02-27;12;13;11;12;432.600\n",
            "column 'Volume': the mark in '432.600' can be a decimal mark",
        ),
        (
            "Date,Open,High,Low,Close,Volume\n2013-02-27,$12,€13,11,12,4\n2013-02-28,€1,1,1,1,1\n",
            "column 'Open': the prices are in several currencies ($, €)",
        ),
        (
            "Date,Open,High,Low,Price,Last,Volume\n2013-02-27,12,13,11,12,12,4\n",
            "the columns 'Price' and 'Last' both map to `close`",
        ),
        ("Date,AAPL,MSFT\n2013-02-27,12,13\n", "no column for open, high, low, close, volume"),
    ],
)
def test_a_file_with_two_readings_is_refused(write: Write, text: str, message: str) -> None:
    assert message in refusal(write("AAPL.csv", text))


def test_the_calendar_decides_the_order_of_day_and_month(write: Write) -> None:
    # 2013-08-06 is a Tuesday, and 2013-06-08 a Saturday.
    text = YAHOO.replace("2013-02-27", "06/05/2013").replace("2013-02-28", "06/08/2013")
    files = provider(write("AAPL.csv", text.replace("2013-03-01", "07/08/2013")))

    assert files.fetch("AAPL").get_column("session").to_list() == [
        date(2013, 5, 6),
        date(2013, 8, 6),
        date(2013, 8, 7),
    ]


@pytest.mark.parametrize("start", [date(1970, 1, 5), date(1999, 11, 1), date(2013, 1, 2)])
@pytest.mark.parametrize("per_second", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("as_text", [True, False])
def test_epochs_of_every_unit_and_age_are_read(
    tmp_path: Path, start: date, per_second: int, *, as_text: bool
) -> None:
    sessions = xnys().between(start, start + timedelta(days=900))
    stamps = sessions.cast(pl.Datetime("us")).dt.epoch("s") * per_second
    prices = {name: [10.0] * len(sessions) for name in NAMES}
    frame = pl.DataFrame({"timestamp": stamps, **prices})
    write_frame = frame.write_csv if as_text else frame.write_parquet
    write_frame(tmp_path / ("AAPL.csv" if as_text else "AAPL.parquet"))

    assert provider(tmp_path).fetch("AAPL").get_column("session").equals(sessions)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("partial_first", [False, True])
def test_the_settled_bar_of_a_session_wins_in_any_order(
    write: Write, *, newest_first: bool, partial_first: bool
) -> None:
    header, *rows = YAHOO.splitlines()
    partial = rows[-1].replace("430.47", "431.00").replace("19730300", "123456")
    last = [partial, rows[-1]] if partial_first else [rows[-1], partial]
    ordered = [*last, *rows[-2::-1]] if newest_first else [*rows[:-1], *last]

    bars = provider(write("AAPL.csv", "\n".join([header, *ordered]))).fetch("AAPL")

    assert traded(validate_bars(bars, xnys(), last_session=date(2013, 3, 1)).bars) == TRADED


def test_float_noise_in_overlapping_files_is_no_difference(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    write("AAPL.txt", YAHOO.replace("444.57", "444.57000732421875").replace("20976800", "20976801"))

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


def test_named_columns_take_precedence(write: Write) -> None:
    path = write("AAPL.csv", YAHOO.replace("Close", "Ending", 1))
    files = FilesProvider(str(path), SessionsByTicker(), {"close": "ending"})

    assert traded(files.fetch("AAPL")) == TRADED


def test_a_share_class_like_a_suffix_follows_its_bars(tmp_path: Path) -> None:
    sessions = xnys().between(date(2023, 1, 1), date(2024, 12, 31))
    prices = {name: [10.0] * len(sessions) for name in NAMES}
    for ticker in ("MKC.V", "WFC.PR.L", "BRK-B"):
        pl.DataFrame({"Date": sessions, **prices}).write_csv(tmp_path / f"{ticker}.csv")
    settings = load_settings(
        MarketSettings, provider="files", bars=str(tmp_path), home=tmp_path / "home"
    )
    files = make_provider(settings)
    assert isinstance(files, FilesProvider)

    ingest = Ingest(
        provider=files,
        store=BarStore(tmp_path / "home" / "bars"),
        quarantine=Quarantine(tmp_path / "home" / "quarantine"),
        ticker_states=TickerStateStore(tmp_path / "home" / "market.sqlite"),
        sessions_of=SessionsByTicker.of_home(settings),
        join_tolerance=0.005,
    )

    reports = [ingest.ingest_ticker(ticker) for ticker in files.tickers()]

    assert [report.ticker for report in reports] == ["BRK.B", "MKC.V", "WFC.PR.L"]
    assert [report.bars for report in reports] == [len(sessions)] * 3
    assert [report.quarantine.height for report in reports] == [0] * 3
    (note,) = files.notes()
    assert note.startswith("MKC.V: 10 of its 502 sessions are not in the calendar of XTSE")
