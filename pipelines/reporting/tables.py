"""Markdown tables for the Dagster UI and MLflow."""

import polars as pl


def markdown_table(frame: pl.DataFrame, *, most: int = 50) -> str:
    """Return the first `most` rows as a Markdown table and the number of omitted rows."""
    header = f"| {' | '.join(frame.columns)} |\n|{' --- |' * frame.width}"
    rows = [f"| {' | '.join(map(_escaped, row))} |" for row in frame.head(most).rows()]
    omitted = frame.height - most
    footer = [f"\n… and {omitted:,} more rows."] if omitted > 0 else []
    return "\n".join([header, *rows, *footer])


def cell_text(value: object) -> str:
    """Return the text of a table cell: ``-`` for None, yes or no, and numbers with commas."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _escaped(value: object) -> str:
    """Return a cell in which no character ends the column or the row."""
    return " ".join(cell_text(value).replace("|", "\\|").split("\n"))
