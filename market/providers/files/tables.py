"""Reading of files into tables of cells with row numbers."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from core.errors import BarsError
from market.providers.files.headerless import NAME, is_headerless
from market.providers.files.headers.columns import count_known
from market.providers.files.json_tables import read_json
from market.providers.files.layout import ROW, to_long
from market.providers.files.sources import decode, read_content, suffix_of, unreadable

_SEPARATORS = ",;\t|"
# Some sources write a title and notes above the header.
_MAX_PREAMBLE = 30
_MIN_KNOWN = 4
_PARTITION = re.compile(r"^([A-Za-z_][\w ]*)=(.+)$")


def read_columns(path: Path) -> list[str]:
    """Return the header of the file; see `read_table` for errors."""
    return _read(path, head=True).drop(ROW).columns


def read_table(path: Path) -> pl.DataFrame:
    """Return the cells of the file, as text from text files and typed from Parquet, with `ROW`.

    `ROW` is the line in a text file, and counts from 1 in other files. Blank lines are dropped.
    Folders such as ``ticker=AAPL`` become columns. Tickers side by side become rows.

    Raises
    ------
    BarsError
        If the file cannot be read or is empty, or a row has more cells than the header.
    """
    table = _read(path)
    if table.is_empty():
        msg = f"{path}: the file has a header but no rows; add rows or exclude it from `bars`."
        raise BarsError(msg)
    return table


def _read(path: Path, *, head: bool = False) -> pl.DataFrame:
    # Only the whole of a JSON text can be parsed.
    is_json = (suffix_of(path) or "").startswith((".json", ".ndjson"))
    content = read_content(path, head=head and not is_json)
    if isinstance(content, pl.DataFrame):
        table = content.with_row_index(ROW, offset=1)
    elif is_json or content.lstrip()[:1] in (b"{", b"["):
        whole = content if is_json else read_content(path)
        assert isinstance(whole, bytes)
        table = read_json(decode(whole), str(path)).with_row_index(ROW, offset=1)
    else:
        table = _read_csv(path, decode(content), head=head)
    return _with_partitions(to_long(table, str(path)), path)


def _with_partitions(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Add a column for each folder such as ``ticker=AAPL``."""
    parts = (match for part in path.parent.parts if (match := _PARTITION.match(part)))
    values = {match[1]: unquote(match[2]) for match in parts}
    present = {name.lower() for name in table.columns}
    return table.with_columns(
        pl.lit(value).alias(name) for name, value in values.items() if name.lower() not in present
    )


def _read_csv(path: Path, text: str, *, head: bool) -> pl.DataFrame:
    if not text.strip():
        msg = f"{path}: the file is empty; add rows or exclude it from `bars`."
        raise BarsError(msg)
    lines = text.split("\n")
    if head and len(lines) > 2:  # noqa: PLR2004  # the last line may be cut
        lines = lines[:-1]
    skipped, separator = _find_header(lines)
    first = _cells(lines[skipped], separator)
    if is_headerless(first):
        names = separator.join(NAME.format(n) for n in range(1, len(first) + 1))
        lines, skipped = [names, *lines[skipped:]], -1
    body = "\n".join(lines[max(0, skipped) :])
    try:
        table = pl.read_csv(io.StringIO(body), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _refuse_malformed(path, body, separator, skipped, error)
        table = pl.read_csv(
            io.StringIO(body), separator=separator, infer_schema=False, truncate_ragged_lines=True
        )
    table = table.with_row_index(ROW, offset=2 + skipped)
    return table.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))


def _find_header(lines: list[str]) -> tuple[int, str]:
    """Return the number of lines above the header, and the separator of its cells."""
    present = [n for n, line in enumerate(lines[: 2 * _MAX_PREAMBLE]) if line.strip()]
    best, found = 0, (present[0], max(_SEPARATORS, key=lines[present[0]].count))
    for n in present[:_MAX_PREAMBLE]:
        for separator in _SEPARATORS:
            cells = _cells(lines[n], separator)
            known = count_known(cells)
            # The first of two header rows may have the tickers, and the second one the names.
            if known > max(best, _MIN_KNOWN - 1):
                above = _cells(lines[n - 1], separator) if n > present[0] else []
                is_second = len(above) == len(cells) and bool(above[1].strip())
                best, found = known, (n - is_second, separator)
    return found


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _refuse_malformed(
    path: Path, body: str, separator: str, skipped: int, error: Exception
) -> None:
    """Raise an error for the first row with more cells than the header, except for footers.

    A footer has no digit in its first cell. Empty cells at the end of rows are no excess.
    """
    rows = csv.reader(io.StringIO(body), delimiter=separator)
    is_ragged = False
    try:
        header = next(rows)
        for row in rows:
            excess = row[len(header) :]
            is_ragged |= bool(excess)
            if any(cell.strip() for cell in excess) and re.search(r"\d", row[0]):
                msg = (
                    f"{path}, row {rows.line_num + skipped}: {len(row)} cells, but the header has "
                    f"{len(header)}; quote cells that contain {separator!r}, or correct the row."
                )
                raise BarsError(msg)
    except (csv.Error, StopIteration):
        # The text is no table, so the first error is the reason.
        is_ragged = False
    if not is_ragged:
        raise unreadable(path, error) from error
