"""Tables and the text of their cells, for the Dagster UI, the report page and the terminal."""

import math
from collections.abc import Mapping

import dagster as dg
import polars as pl

SIGNIFICANT_DIGITS = 4
# Numbers that need more decimals are easier to read in scientific notation.
MAX_DECIMALS = 10


def visible_table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """Return metadata that the Dagster UI shows at once; it hides Markdown behind a button."""
    rows = [dict(zip(frame.columns, map(cell_text, row), strict=True)) for row in frame.rows()]
    columns = [dg.TableColumn(name) for name in frame.columns]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def markdown_table(frame: pl.DataFrame, *, most: int = 50) -> str:
    """Return the first `most` rows as a Markdown table and the number of omitted rows."""
    header = f"| {' | '.join(frame.columns)} |\n|{' --- |' * frame.width}"
    rows = [f"| {' | '.join(map(_escaped, row))} |" for row in frame.head(most).rows()]
    omitted = frame.height - most
    footer = [f"\n… and {omitted:,} more rows."] if omitted > 0 else []
    return "\n".join([header, *rows, *footer])


def reasons_table(reasons: Mapping[str, str]) -> str:
    """Return the tickers that are left out, with their reasons, as Markdown."""
    if not reasons:
        return "No ticker was left out."
    return markdown_table(pl.DataFrame({"ticker": [*reasons], "reason": [*reasons.values()]}))


def cell_text(value: object) -> str:
    """Return the text of a table cell: ``-`` for None, yes or no, and numbers with commas.

    Numbers have four significant digits, and all digits before the decimal point.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number_text(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number_text(value: float) -> str:
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))
    if decimals > MAX_DECIMALS:
        return f"{value:.{SIGNIFICANT_DIGITS}g}"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _escaped(value: object) -> str:
    """Return a cell in which no character ends the column or the row."""
    return " ".join(cell_text(value).replace("|", "\\|").split("\n"))
