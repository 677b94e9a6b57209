"""The files provider: bars from your own CSV or Parquet files. No network.

How files are read is `tables`, how columns are spelt `spellings`, how cells are written `cells`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import polars as pl

from core.errors import BarsError, TickerError
from core.tickers import check_ticker, unknown_ticker
from market.bars.contract import BAR_SCHEMA, KEY, PRICES, conform_bars
from market.calendars.sessions import Sessions
from market.providers.files.cells import ROW, read_numbers, read_sessions, read_volumes
from market.providers.files.columns import match_columns
from market.providers.files.tables import SUFFIXES, read_columns, read_table, suffix_of
from market.providers.protocol import SessionRange

_VALUES = [name for name in BAR_SCHEMA if name not in (*KEY, "source")]


class FilesProvider:
    """Bars from a folder, a glob or one file.

    Files end in .csv, .txt (both also .gz) or .parquet, and spell their columns like Yahoo, Alpha
    Vantage or Stooq. A column ``ticker`` or ``symbol`` says whose bars they are; without one the
    file's name does, as in ``BRK.B.csv``. Sessions of one ticker may be spread over files, and may
    be in several of them as long as these agree.

    Prices are taken as they stand. Without adjusted closes they count as adjusted, except for
    splits and dividends that the file itself gives. Yahoo's ``Stock Splits`` stand beside prices
    that are adjusted for splits already, and, without ``Adj Close``, for dividends too: they are
    not applied again.

    Parameters
    ----------
    bars
        Folder (not searched in depth), glob (``**`` searches in depth) or file.
    sessions
        The exchange's calendar, for the time zone of timestamps.
    """

    name = "files"

    def __init__(self, bars: str, sessions: Sessions) -> None:
        self.bars = bars
        self._sessions = sessions
        self._last_read: tuple[Path, dict[str, pl.DataFrame]] | None = None

    def tickers(self) -> tuple[str, ...]:
        """Return the tickers that the files name, sorted.

        Raises
        ------
        BarsError
            When no file matches, a file cannot be read, or a name is no ticker.
        """
        return tuple(sorted(self._files_by_ticker))

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Return the bars that the files have of one ticker; see `Provider.fetch`.

        Rows keep their order, file by file; what the files do not say is null.

        Raises
        ------
        UnknownTickerError
            When no file has the ticker.
        BarsError
            With file, row, column and value when something cannot be read, and with both files
            when they contradict each other.
        """
        if ticker not in self._files_by_ticker:
            raise unknown_ticker(ticker, f"the files {self.bars!r}", self._files_by_ticker)
        paths = self._files_by_ticker[ticker]
        bars = _merge({str(path): self._read_bars(path, ticker) for path in paths})
        if session_range is None:
            return bars
        # A row without a session is for validation to refuse.
        return bars.filter((pl.col("session") >= session_range.start).fill_null(value=True))

    @cached_property
    def _files_by_ticker(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in _matching_files(self.bars):
            for ticker in self._tickers_of(path):
                found.setdefault(ticker, []).append(path)
        return found

    def _tickers_of(self, path: Path) -> list[str]:
        if "ticker" in match_columns(read_columns(path), str(path)):
            return list(self._tables(path))
        return [_ticker_of_name(path)]

    def _tables(self, path: Path) -> dict[str, pl.DataFrame]:
        """Return the file's table for each ticker in it; the last one is kept for the next."""
        if self._last_read is None or self._last_read[0] != path:
            self._last_read = (path, _tables_by_ticker(path))
        return self._last_read[1]

    def _read_bars(self, path: Path, ticker: str) -> pl.DataFrame:
        table, where = self._tables(path)[ticker], str(path)
        columns = match_columns(table.drop(ROW).columns, where)
        if "period" in columns:
            _refuse_intraday(table, columns["period"], where)
        read = {
            "session": read_sessions(table, columns["session"], where, self._sessions.timezone),
            "volume": read_volumes(table, columns["volume"], where),
        }
        for name in (*PRICES, "adj_close", "split_factor", "dividend"):
            if name in columns:
                read[name] = read_numbers(table, columns[name], where)
        if "stock_splits" in columns:
            read = _without_applied_events(read)
        bars = pl.DataFrame([series.alias(name) for name, series in read.items()])
        return conform_bars(bars.with_columns(ticker=pl.lit(ticker), source=pl.lit(self.name)))


def _matching_files(bars: str) -> list[Path]:
    place = Path(bars).expanduser().absolute()
    if place.is_file():
        found = iter([place])
    elif place.is_dir():
        found = place.iterdir()
    else:
        found = Path(place.anchor).glob(str(place.relative_to(place.anchor)))
    files = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    readable = [path for path in files if suffix_of(path)]
    if not readable:
        what = f"only {files[0]} and the like" if files else "nothing"
        msg = (
            f"`bars` must be a folder, glob or file with bars in {', '.join(SUFFIXES)}; "
            f"{bars!r} matches {what}. Put the glob in quotes so that the shell leaves it alone."
        )
        raise BarsError(msg)
    return readable


def _ticker_of_name(path: Path) -> str:
    name = path.name[: -len(suffix_of(path) or "")]
    try:
        return check_ticker(name)
    except TickerError as error:
        msg = f"{path}: the file has no column `ticker`, so its name must be one. {error}"
        raise BarsError(msg) from None


def _tables_by_ticker(path: Path) -> dict[str, pl.DataFrame]:
    table = read_table(path)
    column = match_columns(table.drop(ROW).columns, str(path)).get("ticker")
    if column is None:
        return {_ticker_of_name(path): table}
    spelt = table.get_column(column).cast(pl.String).str.strip_chars().str.to_uppercase()
    table = table.with_columns(spelt.alias(column))
    first_rows = table.unique(column, keep="first", maintain_order=True).select(ROW, column)
    for row, ticker in first_rows.rows():
        _check_cell(path, row, column, ticker or "")
    parts = table.partition_by(column, as_dict=True, maintain_order=True)
    return {str(ticker): part for (ticker,), part in parts.items()}


def _check_cell(path: Path, row: int, column: str, ticker: str) -> None:
    try:
        check_ticker(ticker)
    except TickerError as error:
        msg = f"{path}, row {row}, column {column!r}: {error}"
        raise BarsError(msg) from None


def _refuse_intraday(table: pl.DataFrame, column: str, where: str) -> None:
    periods = table.get_column(column).cast(pl.String)
    other = table.filter(periods.str.to_uppercase() != "D")
    if not other.is_empty():
        row, period = other.select(ROW, column).row(0)
        msg = (
            f"{where}, row {row}, column {column!r}: expected D for daily bars, got {period!r}; "
            f"only daily bars are forecast: download the daily file."
        )
        raise BarsError(msg)


def _without_applied_events(read: dict[str, pl.Series]) -> dict[str, pl.Series]:
    if "adj_close" in read:
        return read
    return {k: v for k, v in read.items() if k != "dividend"} | {"adj_close": read["close"]}


def _merge(parts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Join one ticker's bars from several files; a session in two of them must be the same bar.

    Repetition within a file is kept: validation quarantines it with its reason.
    """
    merged, origin = BAR_SCHEMA.to_frame(), pl.Series("file", [], dtype=pl.String)
    for path, bars in parts.items():
        known = merged.with_columns(origin).unique(KEY, keep="last", maintain_order=True)
        shared = bars.join(known, on=KEY, how="inner", suffix="_known")
        equal = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_known")) for c in _VALUES)
        different = shared.filter(~equal)
        if not different.is_empty():
            ticker, session, file = different.select(*KEY, "file").row(0)
            msg = (
                f"{file} and {path} give different bars for {ticker} on {session}; "
                f"remove one of the files, or the session from one of them."
            )
            raise BarsError(msg)
        new = bars.join(known, on=KEY, how="anti", maintain_order="left")
        merged = pl.concat([merged, new])
        origin = pl.concat([origin, pl.Series("file", [path] * new.height, dtype=pl.String)])
    return merged
