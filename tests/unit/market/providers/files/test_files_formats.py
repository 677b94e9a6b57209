"""Files in other formats and compressions, JSON, and files that are no tables."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.market.file_formats import (
    PLAIN,
    RECORDS,
    TRADED,
    YAHOO,
    Write,
    provider,
    refusal,
    traded,
)

from core.errors import BarsError
from market.providers.files import tables


def zstandard(content: bytes) -> bytes:
    """Return up to 255 bytes as a Zstandard frame (RFC 8878) of one block that is stored raw."""
    size = len(content).to_bytes(1, "little")
    last_raw_block = (len(content) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\x20" + size + last_raw_block + content


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
        ("AAPL.csv.zst", zstandard),
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
    "nasdaq": {
        "datatable": {
            "data": [["AAPL", *row.values()] for row in RECORDS],
            "columns": [{"name": name, "type": "text"} for name in ("ticker", *RECORDS[0])],
        }
    },
    "quandl": {
        "dataset": {
            "column_names": [name.title() for name in RECORDS[0]],
            "data": [list(row.values()) for row in RECORDS],
        }
    },
    "dot-net": [
        {**row, "date": f"/Date({at * 1000})/"} for at, row in zip(MIDNIGHTS, RECORDS, strict=True)
    ],
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
        (b"\x28\xb5\x2f\xfd" + bytes(9), "the file cannot be read"),
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


def test_an_unforeseen_fault_of_one_file_spares_the_others(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a fault that is no `BarsError` stopped the tickers of all files."""
    write("AAPL.csv", YAHOO)
    write("MSFT.json", "{}")

    def broken(*_: object) -> None:
        raise TypeError

    monkeypatch.setattr(tables, "read_json", broken)
    files = provider(tmp_path)

    assert files.tickers() == ("AAPL", "MSFT")
    assert traded(files.fetch("AAPL")) == TRADED


def test_files_and_folders_that_are_not_read_are_named(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    (tmp_path / "MSFT.xlsx").write_bytes(workbook())
    (tmp_path / "more").mkdir()

    (note,) = provider(tmp_path).notes()

    assert note.startswith(f"Not read in {tmp_path}: MSFT.xlsx, more.")
    assert "save it as CSV" in note
    assert "folder/**/*.csv" in note
    assert "Excel workbooks: save it as CSV" in refusal(tmp_path / "MSFT.xlsx")
