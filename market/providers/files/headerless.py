"""The columns of a file without a header, as far as their values leave no doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import permutations

import polars as pl

from market.providers.files.cells.date_formats import DateFormat, written_formats
from market.providers.files.cells.numbers import text_of
from market.providers.files.layout import ROW

NAME = "column {}"
_NAME = re.compile(r"^column \d+$")
_NUMBER = re.compile(r"^[+-]?\d[\d.,' ]*$")
_TIME = re.compile(r"^\d{1,2}:\d{2}(:\d{2})?$")
_TICKER = re.compile(r"^\^?[A-Za-z][\w.=&-]{0,14}$")
_MIN_NUMBERS = 4
# Rows that are needed to tell the open from the close.
_MIN_ROWS = 20
# High over low of a session. A larger one is that of a volume.
_MAX_RANGE = 10.0
# A gap over night is shorter than the way from an open to the next session's close.
_MAX_GAP_RATIO = 0.8


def is_headerless(cells: Sequence[str]) -> bool:
    """Return whether the first row of a file has values instead of names."""
    n_numbers = sum(bool(_NUMBER.match(cell.strip().strip("\"'"))) for cell in cells)
    return n_numbers >= _MIN_NUMBERS


def has_no_header(columns: Sequence[str]) -> bool:
    """Return whether the names are those that `NAME` gives to a file without a header."""
    return all(_NAME.match(name) for name in columns if name != ROW)


def infer_columns(table: pl.DataFrame) -> dict[str, str]:
    """Return the column of each part of a bar in a table without a header.

    The high is the largest and the low the smallest of four prices in every row. The close is the
    one of the other two from which the next session opens: a gap over night is shorter than the way
    from an open to the next close. What is left is the volume.

    Returns
    -------
    dict
        Names of columns by the column of a bar; empty if the values allow another reading.
    """
    columns = [name for name in table.columns if name != ROW]
    words = [name for name in columns if _all_match(text_of(table.get_column(name)), _TICKER)]
    if words:
        table = table.filter(pl.col(words[0]) == pl.col(words[0]).mode().first())
    text = {name: text_of(table.get_column(name)) for name in columns}
    dates = [name for name in columns if _form_of(text[name]) is not None]
    numbers = {
        name: text[name].str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
        for name in columns
        if name not in (*dates, *words) and not _all_match(text[name], _TIME)
    }
    # Open interest and times of day are the same in every row.
    numbers = {
        name: values for name, values in numbers.items() if values.n_unique() > 1 and values.count()
    }
    if len(dates) != 1 or len(words) > 1 or len(numbers) != _MIN_NUMBERS + 1:
        return {}
    order = _sorted_by_date(text[dates[0]])
    prices = _prices({name: values.gather(order) for name, values in numbers.items()})
    if not prices:
        return {}
    (volume,) = set(numbers) - set(prices.values())
    found = {"session": dates[0], **prices, "volume": volume}
    return found | ({"ticker": words[0]} if words else {})


def _prices(numbers: Mapping[str, pl.Series]) -> dict[str, str]:
    """Return the columns of the prices, or nothing if several choices are possible."""
    frame = pl.DataFrame([values.alias(name) for name, values in numbers.items()]).drop_nulls()
    if frame.height < _MIN_ROWS:
        return {}
    choices = [
        {"open": open_, "high": high, "low": low, "close": close}
        for open_, high, low, close in permutations(frame.columns, _MIN_NUMBERS)
        if _encloses(frame, high, low, (open_, close)) and _gap_ratio(frame, open_, close) < 1
    ]
    if len(choices) != 1:
        return {}
    (choice,) = choices
    is_clear = _gap_ratio(frame, choice["open"], choice["close"]) < _MAX_GAP_RATIO
    return choice if is_clear else {}


def _encloses(frame: pl.DataFrame, high: str, low: str, others: Sequence[str]) -> bool:
    within = [pl.col(name).is_between(pl.col(low), pl.col(high)) for name in others]
    is_price = (pl.col(low) > 0) & (pl.col(high) / pl.col(low) < _MAX_RANGE)
    return bool(frame.select(pl.all_horizontal(*within, is_price).all()).item())


def _gap_ratio(frame: pl.DataFrame, open_: str, close: str) -> float:
    """Return the mean gap from the close to the next open over that from the open to the close."""
    gap = (pl.col(open_).shift(-1) / pl.col(close)).log().abs().mean()
    other = (pl.col(close).shift(-1) / pl.col(open_)).log().abs().mean()
    ratio = frame.select(gap / other).item()
    return 1.0 if ratio is None else float(ratio)


def _form_of(cells: pl.Series) -> DateFormat | None:
    """Return a format of all cells that cannot be a number of another kind, if there is one."""
    texts = cells.drop_nulls().unique().to_list()
    forms = [form for form in written_formats() if not form.is_rare and form.name != "yymmdd"]
    fitting = (form for form in forms if all(form.parse(text) is not None for text in texts))
    return next(fitting, None) if texts else None


def _all_match(cells: pl.Series, pattern: re.Pattern[str]) -> bool:
    return cells.null_count() == 0 and bool(cells.str.contains(pattern.pattern).all())


def _sorted_by_date(cells: pl.Series) -> pl.Series:
    """Return the positions of the rows from the oldest to the newest."""
    form = _form_of(cells)
    stamps = [form.parse(text) if form and text else None for text in cells]
    return pl.Series([stamp and stamp.replace(tzinfo=None) for stamp in stamps]).arg_sort()
