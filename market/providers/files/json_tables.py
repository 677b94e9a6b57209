"""Conversion of JSON of data APIs and pandas to tables of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from core.errors import BarsError
from market.providers.files.headers.columns import count_known
from market.providers.files.headers.spellings import normalize_name

_TICKER = ("ticker", "symbol")
_DATE_KEY = re.compile(r"^(\d{4}-\d{2}-\d{2}.*|\d{8,19})$")
_DOTNET_DATE = re.compile(r"^/Date\((-?\d+)(?:[+-]\d{4})?\)/$")
_MIN_NAMES = 4


def read_json(text: str, where: str) -> pl.DataFrame:
    """Return all rows in a JSON text, as text.

    Rows are lists of objects, objects by date, lists of equal length by name, or the `split`
    layout of pandas. A key above the rows, or a field next to them, names their ticker.

    Raises
    ------
    BarsError
        If the text is not JSON, or has no rows with known names.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        try:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            msg = f"{where}: the file cannot be read as JSON ({error}); write it again."
            raise BarsError(msg) from error
    rows = [row for table in _tables(document, None) for row in table]
    if not rows:
        msg = (
            f"{where}: the JSON has no rows with names such as date, open, high, low, close, "
            f"volume; it starts with {text.lstrip()[:60]!r}."
        )
        raise BarsError(msg)
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(
        {name: [_cell(row.get(name)) for row in rows] for name in names},
        schema=dict.fromkeys(names, pl.String),
    )


def _cell(value: Any) -> str | None:  # noqa: ANN401  # any JSON value
    if value is None or isinstance(value, dict | list):
        return None
    return _DOTNET_DATE.sub(r"\1", str(value))


def _tables(value: Any, ticker: str | None) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401
    if isinstance(value, list):
        if value and all(isinstance(row, dict) and _has_names(row) for row in value):
            yield [_named(row, ticker) for row in value]
        else:
            for part in value:
                yield from _tables(part, ticker)
        return
    if not isinstance(value, dict):
        return
    ticker = _ticker_in(value) or ticker
    for find in (_split_layout, _by_date, _columns):
        if rows := find(value):
            yield [_named(row, ticker) for row in rows]
            return
    for key, part in value.items():
        is_ticker = normalize_name(key) not in _TICKER and isinstance(part, list)
        yield from _tables(part, ticker or (_as_ticker(key) if is_ticker else None))


def _named(row: Mapping[str, Any], ticker: str | None) -> dict[str, Any]:
    has_ticker = ticker is None or any(normalize_name(name) in _TICKER for name in row)
    return dict(row) if has_ticker else {"ticker": ticker, **row}


def _has_names(row: Mapping[str, Any]) -> bool:
    return count_known(list(row)) >= _MIN_NAMES


def _ticker_in(value: Mapping[str, Any]) -> str | None:
    """Return the ticker that a field of the object, or of one of its objects, names."""
    levels = [value, *(part for part in value.values() if isinstance(part, dict))]
    fields = ((normalize_name(key), cell) for level in levels for key, cell in level.items())
    return next((cell for key, cell in fields if key in _TICKER and isinstance(cell, str)), None)


def _as_ticker(key: str) -> str | None:
    """Return a key such as ``AAPL``, which is no name of a field such as ``bars``."""
    return key if key.isupper() else None


def _split_layout(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a list of names and a list of rows, as pandas and Nasdaq write them."""
    columns, data = value.get("columns", value.get("column_names")), value.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return []
    names = [str(name.get("name") if isinstance(name, dict) else name) for name in columns]
    if count_known(names) < _MIN_NAMES:
        return []
    index = value.get("index") or [None] * len(data)
    return [
        {"index": key, **dict(zip(names, row, strict=False))}
        for key, row in zip(index, data, strict=False)
    ]


def _by_date(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [(key, row) for key, row in value.items() if isinstance(row, dict)]
    if not rows or not all(_DATE_KEY.match(key) and _has_names(row) for key, row in rows):
        return []
    return [{"session": key, **row} for key, row in rows]


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of lists by name, or of the objects by name that pandas writes."""
    fields = dict(value)
    # Yahoo keeps the prices of `timestamp` two levels deeper.
    if isinstance(indicators := value.get("indicators"), dict):
        for group in indicators.values():
            fields |= group[0] if isinstance(group, list) and group else {}
    lists = {name: cells for name, cells in fields.items() if isinstance(cells, list)}
    if count_known(list(lists)) > _MIN_NAMES and len({*map(len, lists.values())}) == 1:
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    objects = {name: cells for name, cells in value.items() if isinstance(cells, dict)}
    if count_known(list(objects)) < _MIN_NAMES:
        return []
    keys: Sequence[str] = list(dict.fromkeys(key for cells in objects.values() for key in cells))
    rows = [{name: cells.get(key) for name, cells in objects.items()} for key in keys]
    return [{"index": key, **row} for key, row in zip(keys, rows, strict=True)]
