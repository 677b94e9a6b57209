"""The `files` provider: bars from local CSV or Parquet files."""

from __future__ import annotations

from collections.abc import Callable
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

    File names end in .csv, .txt, .csv.gz, .txt.gz, .parquet or .pq. Column names are those of
    Yahoo, Alpha Vantage or Stooq. A column ``ticker`` or ``symbol`` names the ticker of each row.
    Without one, the name of the file is the ticker, as in ``BRK.B.csv``. The sessions of one ticker
    may be in several files. A session in two files must have the same bar in both.

    Prices are not changed. Without adjusted closes, they count as adjusted except for the splits
    and dividends in the file. Yahoo's prices with a column ``Stock Splits`` are already adjusted
    for splits and, without ``Adj Close``, for dividends too, so these are not applied again.

    Parameters
    ----------
    bars
        Folder (sub-folders are ignored), glob (``**`` matches sub-folders) or file.
    sessions_of
        Returns the sessions of a ticker's exchange, for the time zone of timestamps.
    """

    name = "files"

    def __init__(self, bars: str, sessions_of: Callable[[str], Sessions]) -> None:
        self.bars = bars
        self._sessions_of = sessions_of
        self._last_read: tuple[Path, dict[str, pl.DataFrame]] | None = None

    def tickers(self) -> tuple[str, ...]:
        """Return the tickers of all files, sorted.

        Raises
        ------
        BarsError
            If no file matches, a file cannot be read, or a name is not a ticker.
        """
        return tuple(sorted(self._files_by_ticker))

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Read the bars of one ticker from all its files; see `Provider.fetch`.

        Rows keep their order, file by file. Missing values are null.

        Raises
        ------
        UnknownTickerError
            If no file has the ticker.
        BarsError
            If a value cannot be parsed (with file, row, column and value), or two files have
            different bars of one session (with both files).
        """
        if ticker not in self._files_by_ticker:
            raise unknown_ticker(ticker, f"the files {self.bars!r}", self._files_by_ticker)
        paths = self._files_by_ticker[ticker]
        bars = _merge({str(path): self._read_bars(path, ticker) for path in paths})
        if session_range is None:
            return bars
        # A row without a session is kept: validation rejects it with a reason.
        return bars.filter((pl.col("session") >= session_range.start).fill_null(value=True))

    @cached_property
    def _files_by_ticker(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for path in _matching_files(self.bars):
            for ticker in self._tickers_of(path):
                files.setdefault(ticker, []).append(path)
        return files

    def _tickers_of(self, path: Path) -> list[str]:
        if "ticker" in match_columns(read_columns(path), str(path)):
            return list(self._tables(path))
        return [_ticker_from_name(path)]

    def _tables(self, path: Path) -> dict[str, pl.DataFrame]:
        """Return the table of each ticker in a file. The tables of the last file are cached."""
        if self._last_read is None or self._last_read[0] != path:
            self._last_read = (path, _tables_by_ticker(path))
        return self._last_read[1]

    def _read_bars(self, path: Path, ticker: str) -> pl.DataFrame:
        table, where = self._tables(path)[ticker], str(path)
        columns = match_columns(table.drop(ROW).columns, where)
        if "period" in columns:
            _refuse_intraday(table, columns["period"], where)
        zone = self._sessions_of(ticker).timezone
        read = {
            "session": read_sessions(table, columns["session"], where, zone),
            "volume": read_volumes(table, columns["volume"], where),
        }
        for name in (*PRICES, "adj_close", "split_factor", "dividend"):
            if name in columns:
                read[name] = read_numbers(table, columns[name], where)
        if "stock_splits" in columns:
            read = _without_applied_actions(read)
        bars = pl.DataFrame([series.alias(name) for name, series in read.items()])
        return conform_bars(bars.with_columns(ticker=pl.lit(ticker), source=pl.lit(self.name)))


def _matching_files(bars: str) -> list[Path]:
    pattern = Path(bars).expanduser().absolute()
    if pattern.is_file():
        paths = iter([pattern])
    elif pattern.is_dir():
        paths = pattern.iterdir()
    else:
        paths = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    files = sorted(path for path in paths if path.is_file() and not path.name.startswith("."))
    readable = [path for path in files if suffix_of(path)]
    if not readable:
        matches = f"only other files, such as {files[0]}" if files else "nothing"
        msg = (
            f"`bars` must be a folder, glob or file with bars in {', '.join(SUFFIXES)}; "
            f"{bars!r} matches {matches}. Quote a glob so that the shell does not expand it."
        )
        raise BarsError(msg)
    return readable


def _ticker_from_name(path: Path) -> str:
    name = path.name[: -len(suffix_of(path) or "")]
    try:
        return check_ticker(name)
    except TickerError as error:
        msg = f"{path}: the file has no column `ticker`, so its name must be a ticker. {error}"
        raise BarsError(msg) from None


def _tables_by_ticker(path: Path) -> dict[str, pl.DataFrame]:
    table = read_table(path)
    column = match_columns(table.drop(ROW).columns, str(path)).get("ticker")
    if column is None:
        return {_ticker_from_name(path): table}
    tickers = table.get_column(column).cast(pl.String).str.strip_chars().str.to_uppercase()
    table = table.with_columns(tickers.alias(column))
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
            f"only daily bars are supported: download the daily file."
        )
        raise BarsError(msg)


def _without_applied_actions(read: dict[str, pl.Series]) -> dict[str, pl.Series]:
    if "adj_close" in read:
        return read
    return {k: v for k, v in read.items() if k != "dividend"} | {"adj_close": read["close"]}


def _merge(parts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Merge the bars of one ticker from several files. Shared sessions must have equal bars.

    Repeated sessions within one file are kept: validation quarantines them with a reason.
    """
    merged, origin = BAR_SCHEMA.to_frame(), pl.Series("file", [], dtype=pl.String)
    for path, bars in parts.items():
        previous = merged.with_columns(origin).unique(KEY, keep="last", maintain_order=True)
        shared = bars.join(previous, on=KEY, how="inner", suffix="_previous")
        equal = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_previous")) for c in _VALUES)
        different = shared.filter(~equal)
        if not different.is_empty():
            ticker, session, file = different.select(*KEY, "file").row(0)
            msg = (
                f"{file} and {path} have different bars of {ticker} on {session}; "
                f"remove one of the files, or the session from one of them."
            )
            raise BarsError(msg)
        new = bars.join(previous, on=KEY, how="anti", maintain_order="left")
        merged = pl.concat([merged, new])
        origin = pl.concat([origin, pl.Series("file", [path] * new.height, dtype=pl.String)])
    return merged
