"""Reading of CSV and Parquet files into tables of cells with row numbers."""

from __future__ import annotations

import csv
import gzip
import io
from itertools import islice
from pathlib import Path

import polars as pl

from core.errors import BarsError
from market.providers.files.cells import ROW

CSV_SUFFIXES = (".csv", ".txt", ".csv.gz", ".txt.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = CSV_SUFFIXES + PARQUET_SUFFIXES
_SEPARATORS = ",;\t|"
_HEAD_LINES = 20
_READ_ERRORS = (pl.exceptions.PolarsError, OSError)


def suffix_of(path: Path) -> str | None:
    """Return the suffix of the file if it is one of `SUFFIXES`, or None."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read_columns(path: Path) -> list[str]:
    """Return the header of the file; see `read_table` for errors."""
    if suffix_of(path) in PARQUET_SUFFIXES:
        try:
            return list(pl.read_parquet_schema(path))
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
    return _read_csv(path, head=True).drop(ROW).columns


def read_table(path: Path) -> pl.DataFrame:
    """Return the cells of the file, as text from CSV and typed from Parquet, with `ROW`.

    `ROW` counts from 1. The header of a CSV file is row 1. Blank lines are dropped.

    Raises
    ------
    BarsError
        If the file cannot be read or is empty, or a row has more cells than the header.
    """
    if suffix_of(path) in PARQUET_SUFFIXES:
        try:
            table = pl.read_parquet(path, hive_partitioning=False)
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
        table = table.with_row_index(ROW, offset=1)
    else:
        table = _read_csv(path)
    if table.is_empty():
        msg = f"{path}: the file has a header but no rows; add rows or exclude it from `bars`."
        raise BarsError(msg)
    return table


def _read_csv(path: Path, *, head: bool = False) -> pl.DataFrame:
    content = _text_of(path, head=head)
    body = content.lstrip()
    separator = max(_SEPARATORS, key=body.partition("\n")[0].count)
    try:
        table = pl.read_csv(io.StringIO(content), separator=separator, infer_schema=False)
    except pl.exceptions.NoDataError:
        msg = f"{path}: the file is empty; add rows or exclude it from `bars`."
        raise BarsError(msg) from None
    except pl.exceptions.PolarsError as error:
        raise _malformed(path, body, separator, error) from error
    blank_lines = content[: len(content) - len(body)].count("\n")
    table = table.with_row_index(ROW, offset=2 + blank_lines)
    table = table.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))
    return _without_yfinance_header(table, path)


def _text_of(path: Path, *, head: bool) -> str:
    """Return the text of the file, or its first lines if `head` is True."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        # `errors="replace"`, because unused columns may have another encoding.
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            return "".join(islice(file, _HEAD_LINES)) if head else file.read()
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from error


def _without_yfinance_header(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Replace the three header lines (Price, Ticker, Date) that `yfinance` writes by one."""
    first = table.columns[1]
    if first != "Price" or table.get_column(first).head(2).to_list() != ["Ticker", "Date"]:
        return table
    tickers = {name for name in table.row(0)[2:] if name is not None}
    if len(tickers) != 1:
        msg = (
            f"{path}: the columns belong to several tickers ({', '.join(sorted(tickers))}); "
            f"write one file per ticker, or one row per ticker and session with a column Ticker."
        )
        raise BarsError(msg)
    return table.slice(2).rename({first: "Date"}).with_columns(Ticker=pl.lit(tickers.pop()))


def _malformed(path: Path, body: str, separator: str, error: Exception) -> BarsError:
    """Return an error that names the first row with more cells than the header, if any."""
    rows = csv.reader(io.StringIO(body), delimiter=separator)
    header = next(rows)
    for row in rows:
        if len(row) > len(header):
            return BarsError(
                f"{path}, row {rows.line_num}: {len(row)} cells, but the header has {len(header)}; "
                f"quote cells that contain {separator!r}, or correct the row."
            )
    return _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> BarsError:
    return BarsError(
        f"{path}: the file cannot be read ({error}); write it again or exclude it from `bars`."
    )
