"""Parsing of the cells of a file into sessions, prices and volumes."""

from __future__ import annotations

import polars as pl

from core.errors import BarsError

ROW = "__row__"
# Spellings of a missing value.
_MISSING = ("", "null", "none", "nan", "n/a", "na", "-", "nat")
_DATE = (
    r"^(?P<year>\d{4})[-/]?(?P<month>\d{2})[-/]?(?P<day>\d{2})"
    r"(?:[ T](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?"
    r"\s*(?:(?P<utc>Z|UTC)|(?P<sign>[+-])(?P<off_hour>\d{2}):?(?P<off_minute>\d{2}))?)?$"
)
_EPOCH = r"^\d{10}(\d{3})?$"


def read_numbers(table: pl.DataFrame, column: str, where: str) -> pl.Series:
    """Return a column as Float64. Missing cells are null.

    Parameters
    ----------
    table
        Cells of the file, as text or numbers, and the column `ROW` with the row number.
    column
        Name of the column in the file.
    where
        Name of the file for errors.

    Raises
    ------
    BarsError
        With row, column and value of the first cell that is not a number.
    """
    cells = table.get_column(column)
    if cells.dtype.is_numeric() or cells.dtype == pl.Null:
        return cells.cast(pl.Float64)
    text = _text(cells)
    numbers = text.cast(pl.Float64, strict=False)
    _raise_at_first(
        table, column, text.is_not_null() & numbers.is_null(), where, "a number such as 1234.5"
    )
    return numbers


def read_volumes(table: pl.DataFrame, column: str, where: str) -> pl.Series:
    """Return a column as Int64, rounded to whole shares; see `read_numbers`."""
    numbers = read_numbers(table, column, where).fill_nan(None)
    volumes = numbers.round().cast(pl.Int64, strict=False)
    bad = numbers.is_not_null() & volumes.is_null()
    _raise_at_first(table, column, bad, where, "a number of shares such as 1500000")
    return volumes


def read_sessions(table: pl.DataFrame, column: str, where: str, zone: str) -> pl.Series:
    """Return a column as local dates of the exchange. Missing cells are null.

    Dates are written ``2024-01-31``, ``20240131`` or ``2024/01/31``. A timestamp without a time
    zone gives its date. A timestamp with a time zone, or seconds or milliseconds since 1970 in UTC,
    gives its own date if the time is midnight, because sources write daily bars that way. Any other
    time is converted to the time zone of the exchange.

    Parameters
    ----------
    table, column, where
        See `read_numbers`.
    zone
        Time zone of the exchange, such as ``America/New_York``.

    Raises
    ------
    BarsError
        With row, column and value of the first cell that is not a date. Ambiguous dates such as
        ``01/02/2024`` are rejected.
    """
    cells = table.get_column(column)
    if isinstance(cells.dtype, pl.Date):
        return cells
    if isinstance(cells.dtype, pl.Datetime):
        return _local_dates(cells, zone) if cells.dtype.time_zone else cells.dt.date()
    text = _text(cells)
    dates = _dates_from_text(text, zone)
    _raise_at_first(
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
    date = pl.concat_str("year", "month", "day", separator="-").str.to_date(
        "%Y-%m-%d", strict=False
    )
    time = [pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second")]
    past_midnight = pl.duration(hours=time[0], minutes=time[1], seconds=time[2])
    offset = pl.duration(
        hours=pl.col("off_hour").cast(pl.Int64).fill_null(0),
        minutes=pl.col("off_minute").cast(pl.Int64).fill_null(0),
    )
    has_zone = pl.col("utc").is_not_null() | pl.col("sign").is_not_null()
    instant = (
        date.cast(pl.Datetime("ms"))
        + past_midnight
        + pl.when(pl.col("sign") == "-").then(offset).otherwise(-offset)
    )
    local = instant.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    at_midnight = past_midnight == pl.duration(seconds=0)
    dates = pl.when(has_zone & ~at_midnight).then(local).otherwise(date)
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


def _raise_at_first(
    table: pl.DataFrame, column: str, bad: pl.Series, where: str, expected: str
) -> None:
    first = bad.arg_max() if bad.any() else None
    if first is None:
        return
    msg = (
        f"{where}, row {table.get_column(ROW)[first]}, column {column!r}: expected {expected}, "
        f"got {table.get_column(column)[first]!r}; correct the cell, or leave it empty if the "
        f"value is missing."
    )
    raise BarsError(msg)
