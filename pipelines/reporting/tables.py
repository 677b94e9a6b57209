"""Tables for people: Markdown for the Dagster UI and MLflow, rich ones for the terminal."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table


def markdown_table(frame: pl.DataFrame, *, most: int = 50) -> str:
    """Return the first `most` rows as a Markdown table, with a line for what was left out."""
    header = f"| {' | '.join(frame.columns)} |\n|{' --- |' * frame.width}"
    rows = [f"| {' | '.join(_inside(value) for value in row)} |" for row in frame.head(most).rows()]
    left = frame.height - most
    return "\n".join([header, *rows, *([f"\n… and {left:,} more rows."] if left > 0 else [])])


def terminal_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Return a table for the terminal; numbers stand to the right."""
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for index, column in enumerate(columns):
        numeric = bool(rows) and not isinstance(rows[0][index], str)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    return table


def _inside(value: object) -> str:
    """Return a cell that cannot end its column or row: reasons are anyone's words."""
    return " ".join(_cell(value).replace("|", "\\|").split("\n"))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
