"""Conversion of tables with tickers side by side to one row per ticker and session."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from core.errors import BarsError
from market.providers.files.headers.columns import has_all_prices
from market.providers.files.headers.spellings import (
    LONG_NAMES,
    PRICE_COLUMNS,
    TIERS,
    WIDE_NAMES,
    normalize_name,
)

# Number of the row in the file, which every table has as its first column.
ROW = "__row__"
_SEPARATOR = r"[\s_.\-:|/]+"
_NAME = (
    r"(adj(?:usted)?[\s_.]*close|open|high|low|close|volume|vol|dividends?(?:[\s_.]*amount)?|"
    r"stock[\s_.]*splits)"
)
_NAME_FIRST = re.compile(rf"^{_NAME}(?:{_SEPARATOR}|\s*(?=\())\(?(.+?)\)?$", re.IGNORECASE)
_NAME_LAST = re.compile(rf"^(.+?){_SEPARATOR}{_NAME}$", re.IGNORECASE)
_TUPLE = re.compile(r"""^\(\s*['"](.*?)['"]\s*,\s*['"](.*?)['"]\s*\)$""")
_DUPLICATED = re.compile(r"_duplicated_\d+$")
_BLANK = re.compile(r"^(Unnamed: ?\d+.*|_duplicated_\d+)?$")
# A number, also with a magnitude, a currency or another unit.
_NUMBER = re.compile(r"^\W*\d[\d.,' ]*(?:[kmb%]|[A-Z]{3}|[^\x00-\x7f]{1,3})?$", re.IGNORECASE)
_TICKER_OR_NAME = re.compile(r"^\^?[^\W_][\w.&=/ -]{0,23}$")
# A first row of missing values is no header.
_MISSING = {"null", "none", "nan", "n/a", "na"}
# Words in names of columns that are no tickers, such as `Adj. Open` of Quandl.
_NO_TICKER = {"adj", "adjusted", "avg", "average", "prev", "previous", "bid", "ask", "mid", "day"}


def to_long(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return a table with a column `Ticker` instead of columns per ticker.

    Known spellings are those of `yfinance` and pandas: two header rows (the names of prices above
    the tickers, or below them), flat names such as ``Close_ACME`` and ``ACME Close``, and names of
    Parquet columns such as ``('Close', 'ACME')``. Any other table is returned unchanged.

    Raises
    ------
    BarsError
        If a ticker of two header rows has no column for a price.
    """
    table = _join_dates(_one_header(table))
    names = {name: m[1] for name in table.columns if (m := _TUPLE.match(name)) and not m[2]}
    table = table.rename(names)
    pairs = {name: pair for name in table.columns if (pair := _split(name)) is not None}
    prices: dict[str, set[str]] = {}
    for name, ticker in pairs.values():
        prices.setdefault(ticker, set()).add(LONG_NAMES[name])
    complete = [ticker for ticker in prices if prices[ticker] >= {*PRICE_COLUMNS}]
    if not complete or has_all_prices(table.columns):
        return table
    for ticker, present in prices.items():
        if ticker not in complete and any(map(_TUPLE.match, pairs)):
            lacking = ", ".join(name for name in PRICE_COLUMNS if name not in present)
            msg = (
                f"{where}: the columns belong to several tickers ({', '.join(sorted(prices))}), "
                f"and {ticker} has no column for {lacking}; add it or remove the ticker."
            )
            raise BarsError(msg)
    shared = [name for name in table.columns if name not in pairs]
    frames = []
    for ticker in complete:
        columns = {name: key for name, (key, of) in pairs.items() if of == ticker}
        part = table.select(*shared, *columns)
        has_value = ~pl.all_horizontal(pl.col(list(columns)).is_null())
        frames.append(part.filter(has_value).rename(columns).with_columns(Ticker=pl.lit(ticker)))
    return pl.concat(frames, how="diagonal")


def _join_dates(table: pl.DataFrame) -> pl.DataFrame:
    """Merge columns of the year, the month and the day to a column `Date`."""
    names = {normalize_name(name): name for name in table.columns}
    has_date = any(name in names for name in TIERS["session"][0])
    if has_date or not names.keys() >= {"year", "month", "day"}:
        return table
    parts = [pl.col(names[part]).cast(pl.String) for part in ("year", "month", "day")]
    joined = pl.concat_str(parts, separator="-").alias("Date")
    return table.with_columns(joined).drop(names["year"], names["month"], names["day"])


def _one_header(table: pl.DataFrame) -> pl.DataFrame:
    """Merge two header rows into names such as ``('Close', 'ACME')``."""
    columns = [name for name in table.columns if name != ROW]
    if table.is_empty() or any(kind != pl.String for kind in table.select(columns).dtypes):
        return table
    upper = _filled(columns)[1:]
    lower = [cell or "" for cell in table.select(columns).row(0)][1:]
    is_text = all(map(_TICKER_OR_NAME.match, lower)) and not any(map(_NUMBER.match, lower))
    if not is_text or {cell.lower() for cell in lower} <= _MISSING:
        return table
    if not any({*map(_meaning, level)} >= {*PRICE_COLUMNS} for level in (upper, lower)):
        return table
    merged = [f"('{above}', '{below}')" for above, below in zip(upper, lower, strict=True)]
    if len({*merged}) < len(merged):
        return table
    rows = table.slice(1)
    first = columns[0]
    # pandas writes the name of the index in a row of its own.
    if not rows.is_empty() and all(cell is None for cell in rows.select(columns).row(0)[1:]):
        rows = rows.slice(1)
    return rows.rename({first: "Date", **dict(zip(columns[1:], merged, strict=True))})


def _filled(names: Sequence[str]) -> list[str]:
    """Return names without the suffix of repeated ones; a blank name repeats the one before."""
    filled: list[str] = []
    for name in names:
        filled.append(filled[-1] if filled and _BLANK.match(name) else _DUPLICATED.sub("", name))
    return filled


def _meaning(name: str) -> str | None:
    return LONG_NAMES.get(normalize_name(name))


def _split(column: str) -> tuple[str, str] | None:
    """Return the normalized name and the ticker of a column of one ticker."""
    name = _DUPLICATED.sub("", column)
    if match := _TUPLE.match(name):
        for key, ticker in (match.groups(), match.groups()[::-1]):
            if _meaning(key):
                return normalize_name(key), ticker
        return None
    if normalize_name(name) in WIDE_NAMES:
        return None
    if match := _NAME_FIRST.match(name):
        key, ticker = match.groups()
    elif match := _NAME_LAST.match(name):
        ticker, key = match.groups()
    else:
        return None
    short = normalize_name(key)
    if short not in WIDE_NAMES or ticker.strip(" .").lower() in _NO_TICKER:
        return None
    return short, ticker
