"""Cells of a file -> sessions, prices and volumes, or an error with file, column, row and value.

Which column means what is `spellings`; whether a value makes a good bar is `market.bars.contract`.
"""

from __future__ import annotations

import polars as pl

from core.errors import BarsError

ROW = "__row__"
# How programs write that they have no value; such a cell is missing, not unreadable.
_MISSING = ("", "null", "none", "nan", "n/a", "na", "-", "nat")
_DATE = (
    r"^(?P<year>\d{4})[-/]?(?P<month>\d{2})[-/]?(?P<day>\d{2})"
    r"(?:[ T](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?"
    r"\s*(?:(?P<utc>Z|UTC)|(?P<sign>[+-])(?P<off_hour>\d{2}):?(?P<off_minute>\d{2}))?)?$"
)
_EPOCH = r"^\d{10}(\d{3})?$"


def read_numbers(table: pl.DataFrame, column: str, where: str) -> pl.Series:
    """Return a column as Float64; missing cells are null.

    Parameters
    ----------
    table
        The file's cells as text (or numbers, from Parquet), with `ROW`, the row a person sees.
    column
        The file's own name of the column.
    where
        The file's name, for errors.

    Raises
    ------
    BarsError
        At the first cell that is no number.
    """
    cells = table.get_column(column)
    if cells.dtype.is_numeric() or cells.dtype == pl.Null:
        return cells.cast(pl.Float64)
    text = _text(cells)
    numbers = text.cast(pl.Float64, strict=False)
    _refuse_first(
        table, column, text.is_not_null() & numbers.is_null(), where, "a number such as 1234.5"
    )
    return numbers


def read_volumes(table: pl.DataFrame, column: str, where: str) -> pl.Series:
    """Return a column as Int64, rounded to whole shares; otherwise as `read_numbers`."""
    numbers = read_numbers(table, column, where).fill_nan(None)
    volumes = numbers.round().cast(pl.Int64, strict=False)
    bad = numbers.is_not_null() & volumes.is_null()
    _refuse_first(table, column, bad, where, "a number of shares such as 1500000")
    return volumes


def read_sessions(table: pl.DataFrame, column: str, where: str, zone: str) -> pl.Series:
    """Return a column as the exchange's local dates; missing cells are null.

    Dates are ``2024-01-31``, ``20240131`` or ``2024/01/31``. Of a timestamp without time zone the
    date counts. With one (also: seconds or milliseconds since 1970, in UTC) midnight means that
    very date, as sources stamp daily bars; any other instant is taken to the exchange's zone.

    Parameters
    ----------
    zone
        Time zone of the exchange, as in ``America/New_York``; the others as in `read_numbers`.

    Raises
    ------
    BarsError
        At the first cell that is no date, such as the ambiguous 01/02/2024.
    """
    cells = table.get_column(column)
    if isinstance(cells.dtype, pl.Date):
        return cells
    if isinstance(cells.dtype, pl.Datetime):
        return _local_dates(cells, zone) if cells.dtype.time_zone else cells.dt.date()
    text = _text(cells)
    dates = _dates_from_text(text, zone)
    _refuse_first(
        table, column, text.is_not_null() & dates.is_null(), where, "a date such as 2024-01-31"
    )
    return dates


def _local_dates(stamps: pl.Series, zone: str) -> pl.Series:
    frame = pl.DataFrame({"stamp": stamps})
    stamp = pl.col("stamp")
    midnight = stamp.dt.time() == pl.time(0, 0, 0)
    local = stamp.dt.convert_time_zone(zone).dt.date()
    return frame.select(pl.when(midnight).then(stamp.dt.date()).otherwise(local)).to_series()


def _dates_from_text(text: pl.Series, zone: str) -> pl.Series:
    part = text.str.extract_groups(_DATE).struct.unnest()
    written = pl.concat_str("year", "month", "day", separator="-").str.to_date(
        "%Y-%m-%d", strict=False
    )
    clock = [pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second")]
    past_midnight = pl.duration(hours=clock[0], minutes=clock[1], seconds=clock[2])
    offset = pl.duration(
        hours=pl.col("off_hour").cast(pl.Int64).fill_null(0),
        minutes=pl.col("off_minute").cast(pl.Int64).fill_null(0),
    )
    has_zone = pl.col("utc").is_not_null() | pl.col("sign").is_not_null()
    instant = (
        written.cast(pl.Datetime("ms"))
        + past_midnight
        + pl.when(pl.col("sign") == "-").then(offset).otherwise(-offset)
    )
    local = instant.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    at_midnight = past_midnight == pl.duration(seconds=0)
    dates = pl.when(has_zone & ~at_midnight).then(local).otherwise(written)
    return (
        part.select(dates.alias("session"))
        .to_series()
        .zip_with(~text.str.contains(_EPOCH).fill_null(value=False), _dates_from_epoch(text, zone))
    )


def _dates_from_epoch(text: pl.Series, zone: str) -> pl.Series:
    milliseconds = text.str.extract(f"({_EPOCH})").str.pad_end(13, "0").cast(pl.Int64)
    return _local_dates(milliseconds.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"), zone)


def _text(cells: pl.Series) -> pl.Series:
    stripped = cells.cast(pl.String).str.strip_chars()
    return stripped.set(stripped.str.to_lowercase().is_in(_MISSING), None)


def _refuse_first(
    table: pl.DataFrame, column: str, bad: pl.Series, where: str, expected: str
) -> None:
    first = bad.arg_max() if bad.any() else None
    if first is None:
        return
    msg = (
        f"{where}, row {table.get_column(ROW)[first]}, column {column!r}: expected {expected}, "
        f"got {table.get_column(column)[first]!r}; correct the cell, or leave it empty if the "
        f"value is not known."
    )
    raise BarsError(msg)
