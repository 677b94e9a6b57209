"""Parsing of one file into bars. The whole file decides how its dates and numbers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from core.errors import BarsError, TickerError
from core.tickers import check_ticker
from market.bars.contract import PRICES, conform_bars
from market.calendars.sessions import Sessions
from market.providers.files.cells.dates import choose_date_format, local_dates
from market.providers.files.cells.numbers import Numbers, raise_at_first, text_of
from market.providers.files.headerless import has_no_header, infer_columns
from market.providers.files.headers.columns import describe_columns, match_columns
from market.providers.files.layout import ROW
from market.providers.files.names import ticker_from_name
from market.providers.files.other_rows import rows_without_bar
from market.providers.files.plausibility import (
    refuse_fixed_point,
    refuse_other_currencies,
    refuse_other_frequency,
    refuse_other_periods,
)
from market.providers.files.tables import read_table

_NUMBERS = (*PRICES, "adj_close", "split_factor", "dividend")


class FileReading:
    """The cells of one file, and the way in which they are read.

    Attributes
    ----------
    notes
        Phrases on columns, formats and ignored rows that the user should know.
    n_rows
        Number of rows in the file.

    Raises
    ------
    BarsError
        If the file cannot be read, or a column can be read in two ways.
    """

    def __init__(
        self,
        path: Path,
        sessions_of: Callable[[str], Sessions],
        named: Mapping[str, str] | None = None,
    ) -> None:
        self._where = str(path)
        table = read_table(path)
        columns = table.drop(ROW).columns
        if has_no_header(columns) and not named:
            named = self._infer_columns(table)
        self._columns = match_columns(columns, self._where, named)
        self._tables = self._by_ticker(path, table)
        table = pl.concat(self._tables.values())
        self._numbers = Numbers(
            table,
            [name for key in (*_NUMBERS, "volume") if (name := self._columns.get(key))],
            self._where,
            self._columns["volume"],
        )
        self._stamps: dict[str, datetime] = {}
        self.notes = tuple(self._choose_formats(table, sessions_of))
        self.n_rows = table.height

    @property
    def tickers(self) -> tuple[str, ...]:
        """The tickers in the file, in the order of their first rows."""
        return tuple(self._tables)

    def bars(self, ticker: str, sessions: Sessions) -> pl.DataFrame:
        """Return the bars of one ticker in the order of the file.

        Raises
        ------
        BarsError
            With row, column and value of the first cell that cannot be parsed.
        """
        table, columns = (
            self._tables[ticker].filter(~pl.col(ROW).is_in(self._ignored.implode())),
            self._columns,
        )
        if "period" in columns:
            refuse_other_periods(table, columns["period"], self._where)
        if "currency" in columns:
            refuse_other_currencies(table, columns["currency"], ticker, self._where)
        read = {
            "session": self._read_sessions(table, sessions),
            "volume": self._numbers.read_volumes(table, columns["volume"]),
        }
        for name in _NUMBERS:
            if name in columns:
                read[name] = self._numbers.read(table, columns[name])
        if "stock_splits" in columns:
            read = _without_applied_actions(read)
        bars = pl.DataFrame([series.alias(name) for name, series in read.items()])
        named = bars.with_columns(ticker=pl.lit(ticker), source=pl.lit("files"))
        conformed = conform_bars(named)
        refuse_other_frequency(conformed, sessions, self._where)
        refuse_fixed_point(conformed, self._where)
        return conformed

    def _infer_columns(self, table: pl.DataFrame) -> dict[str, str]:
        inferred = infer_columns(table)
        if not inferred:
            msg = (
                f"{self._where}: the file has no header, and its values leave open which column is "
                f"which; add a header, or name the columns in STOCKCAST_COLUMNS "
                f"(session=column 1,open=column 2,...)."
            )
            raise BarsError(msg)
        return inferred

    def _by_ticker(self, path: Path, table: pl.DataFrame) -> dict[str, pl.DataFrame]:
        column = self._columns.get("ticker")
        if column is None:
            return {ticker_from_name(path): table}
        tickers = text_of(table.get_column(column)).str.to_uppercase()
        table = table.with_columns(tickers.alias(column))
        session = text_of(table.get_column(self._columns["session"]))
        # Footers have no ticker. A row with a date must have one.
        table = table.filter(pl.col(column).is_not_null() | session.str.contains(r"\d"))
        first_rows = table.unique(column, keep="first", maintain_order=True).select(ROW, column)
        names = {ticker: self._check_cell(row, ticker or "") for row, ticker in first_rows.rows()}
        table = table.with_columns(pl.col(column).replace(names))
        parts = table.partition_by(column, as_dict=True, maintain_order=True)
        return {str(ticker): part for (ticker,), part in parts.items()}

    def _check_cell(self, row: int, ticker: str) -> str:
        try:
            return check_ticker(ticker)
        except TickerError as error:
            msg = f"{self._where}, row {row}, column {self._columns['ticker']!r}: {error}"
            raise BarsError(msg) from None

    def _choose_formats(
        self, table: pl.DataFrame, sessions_of: Callable[[str], Sessions]
    ) -> list[str]:
        readings = describe_columns(self._columns)
        cells = table.get_column(self._columns["session"])
        if isinstance(cells.dtype, pl.Date | pl.Datetime):
            is_date = cells.is_not_null()
        else:
            text = _session_text(cells)
            sessions = sessions_of(self.tickers[0])
            name, self._stamps = choose_date_format(
                text, sessions, self._where, self._columns["session"]
            )
            is_date = text.is_in(pl.Series(list(self._stamps), dtype=pl.String).implode())
            is_date &= text.is_not_null()
            if name:
                readings.append(f"dates as {name}")
        if self._numbers.has_comma:
            readings.append("numbers with a decimal comma")
        self._ignored, shown = rows_without_bar(table, is_date, self._columns, self._numbers)
        notes = [f"read {', '.join(readings)}."] if readings else []
        if shown:
            notes.append(f"ignored {', '.join(shown)}, which contain no bar.")
        return notes

    def _read_sessions(self, table: pl.DataFrame, sessions: Sessions) -> pl.Series:
        """Return the sessions as local dates of the exchange. Missing cells are null."""
        column = self._columns["session"]
        cells = table.get_column(column)
        if isinstance(cells.dtype, pl.Date):
            return cells
        if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone is None:
            return cells.dt.date()
        if isinstance(cells.dtype, pl.Datetime):
            stamps = {stamp: stamp for stamp in cells.drop_nulls().unique()}
        else:
            cells = _session_text(cells)
            texts = cells.drop_nulls().unique()
            stamps = {text: self._stamps[text] for text in texts if text in self._stamps}
        local = local_dates(stamps.values(), sessions.timezone)
        read = {cell: local[stamp] for cell, stamp in stamps.items()}
        dates = cells.replace_strict(
            pl.Series(list(read), dtype=cells.dtype),
            pl.Series(list(read.values()), dtype=pl.Date),
            default=None,
            return_dtype=pl.Date,
        )
        bad = cells.is_not_null() & dates.is_null()
        raise_at_first(table, column, bad, self._where, "a date such as 2024-01-31")
        return dates


def _session_text(cells: pl.Series) -> pl.Series:
    """Return cells as text; numbers without decimals."""
    if cells.dtype.is_float():
        cells = cells.fill_nan(None).cast(pl.Int64, strict=False)
    return text_of(cells)


def _without_applied_actions(read: dict[str, pl.Series]) -> dict[str, pl.Series]:
    if "adj_close" in read:
        return read
    return {k: v for k, v in read.items() if k != "dividend"} | {"adj_close": read["close"]}
