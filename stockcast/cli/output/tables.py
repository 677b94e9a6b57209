"""Layout of the tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.reporting.tables import cell_text
from stockcast.cli.output.console import print_line

# A column of prose may be wrapped down to this number of characters.
MIN_PROSE_WIDTH = 30
GAP = 2  # characters between two columns
LARGE_PRICE, SMALL_PRICE = 10_000, 1
SMALL_PRICE_DIGITS = 4


def print_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    n_keys: int = 1,
    has_prose: bool = False,
) -> None:
    """Print a table without losing a column.

    A table that is wider than the console is split into several tables below each other. Each of
    them repeats the key columns.

    Parameters
    ----------
    n_keys
        Number of columns on the left that identify a row.
    has_prose
        Whether the last column contains sentences, which may be wrapped.
    """
    texts = [[cell_text(value) for value in row] for row in rows]
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *texts, strict=True)]
    if has_prose:
        widths[-1] = min(widths[-1], MIN_PROSE_WIDTH)
    if title:
        print_line(console, title, style="italic")
    for part in split_columns(widths, n_keys, console.width):
        table = Table(header_style="bold", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        needed = sum(widths[i] + GAP for i in part)
        for index in part:
            is_number = bool(rows) and not isinstance(rows[0][index], str)
            is_prose = has_prose and index == len(columns) - 1
            table.add_column(
                columns[index],
                justify="right" if is_number else "left",
                no_wrap=not is_prose and needed <= console.width,
                overflow="fold",
            )
        for row in texts:
            table.add_row(*(escape(row[index]) for index in part))
        console.print(table)
        console.print()


def split_columns(widths: Sequence[int], n_keys: int, total: int) -> list[list[int]]:
    """Return the columns of each table when columns of `widths` must fit into `total`.

    Every table starts with the first `n_keys` columns and has at least one other column.
    """
    keys = list(range(n_keys))
    used = start = sum(widths[key] + GAP for key in keys)
    parts = [keys]
    for index in range(n_keys, len(widths)):
        if used + widths[index] + GAP > total and len(parts[-1]) > n_keys:
            parts.append(keys)
            used = start
        parts[-1] = [*parts[-1], index]
        used += widths[index] + GAP
    return parts


def price_text(price: float, scale: float) -> str:
    """Return a price with the decimals that suit `scale`, a price of the same ticker.

    Prices from 10,000 have no decimals, prices from 1 have two, and smaller ones have as many as
    four significant digits need.
    """
    size = abs(scale)
    if size >= LARGE_PRICE:
        return f"{price:,.0f}"
    if size >= SMALL_PRICE or size == 0:
        return f"{price:,.2f}"
    return f"{price:.{SMALL_PRICE_DIGITS - 1 - math.floor(math.log10(size))}f}"
