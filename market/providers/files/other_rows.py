"""Rows of a file that contain no bar, such as dividends, totals and footers."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from market.bars.contract import PRICES
from market.providers.files.cells.numbers import Numbers
from market.providers.files.layout import ROW

_SHOWN = 3


def rows_without_bar(
    table: pl.DataFrame, is_date: pl.Series, columns: Mapping[str, str], numbers: Numbers
) -> tuple[pl.Series, list[str]]:
    """Return the numbers of the rows that contain no bar, and phrases that describe them.

    A row without any date or price is none, and so is a row of a dividend or split. An empty row
    with a date is a bar with missing values. A date that cannot be parsed next to prices is an
    error of that cell.

    Parameters
    ----------
    is_date
        Whether the date of a row could be parsed.
    columns
        Names of the columns in the file, by the column of a bar.

    Raises
    ------
    BarsError
        If most rows with a date have no price that can be read, with the first such cell.
    """
    cells = table.get_column(columns["session"]).cast(pl.String)
    n_prices = pl.Series([0] * table.height)
    has_text = pl.Series([False] * table.height)
    for name in PRICES:
        values, bad = numbers.parse(table, columns[name])
        n_prices += values.is_not_null().cast(pl.Int64)
        has_text |= bad
    is_word = ~is_date & cells.is_not_null() & ~cells.str.contains(r"\d")
    is_empty = n_prices == 0
    has_cell = (cells.str.strip_chars() != "").fill_null(value=False)
    no_bar = is_word | (is_empty & has_text) | (is_empty & ~is_date & has_cell)
    no_bar = no_bar if is_date.any() else no_bar & False
    if 2 * (no_bar & is_date).sum() > is_date.sum():
        for name in PRICES:
            numbers.read(table.filter(is_date), columns[name])
    rows = table.filter(no_bar).select(ROW, columns["session"])
    firsts = [f"row {row} ({text!r})" for row, text in rows.head(_SHOWN).rows()]
    more = rows.height - len(firsts)
    return rows.get_column(ROW), firsts + ([f"{more} more rows"] if more > 0 else [])
