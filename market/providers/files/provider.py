"""The `files` provider: bars from local files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import polars as pl

from core.errors import BarsError
from core.tickers import unknown_ticker
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.providers.files.headerless import has_no_header
from market.providers.files.headers.columns import match_columns
from market.providers.files.merge import merge_files
from market.providers.files.names import ticker_from_name
from market.providers.files.reading import FileReading
from market.providers.files.sources import AS_CSV, SUMMARY, suffix_of
from market.providers.files.tables import read_columns
from market.providers.protocol import SessionRange

# Files of many tickers are read once per ticker, so as many as fit in this number of rows are kept.
_CACHED_ROWS = 5_000_000
_SHOWN = 8


class FilesProvider:
    """Bars from a folder, a glob or one file.

    Text files (CSV with any separator, JSON, compressed or not), Parquet and Arrow are read. The
    tables of `columns` and `cells` in `market.providers.files` list the known names and formats.
    A column ``ticker`` or ``symbol``, a folder ``ticker=AAPL``, names of columns such as
    ``Close_AAPL`` or the name of the file, as in ``BRK.B.csv``, name the ticker. The sessions of
    one ticker may be in several files. A session in two files must have the same bar in both.

    Prices are not changed. Without adjusted closes, they count as adjusted except for the splits
    and dividends in the file. Yahoo's prices with a column ``Stock Splits`` are already adjusted
    for splits and, without ``Adj Close``, for dividends too, so these are not applied again.

    Parameters
    ----------
    bars
        Folder (of its sub-folders only those such as ``ticker=AAPL`` are searched), glob (``**``
        matches sub-folders) or file.
    sessions_of
        Returns the sessions of a ticker's exchange, for the time zone of timestamps.
    columns
        Names of columns in the files by bar column, which take precedence over the known names.
    """

    name = "files"

    def __init__(
        self,
        bars: str,
        sessions_of: Callable[[str], Sessions],
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self.bars = bars
        self._sessions_of = sessions_of
        self._columns = columns or {}
        self._version: str | None = None
        self._readings: dict[Path, FileReading] = {}
        self._notes: dict[str, list[Path]] = {}
        self._exchange_notes: dict[str, str] = {}

    def tickers(self) -> tuple[str, ...]:
        """Return the tickers of all files, sorted.

        Raises
        ------
        BarsError
            If no file matches, or a file has no ticker.
        """
        self.source_version()
        return tuple(sorted(self._files_by_ticker))

    def notes(self) -> tuple[str, ...]:
        """Return sentences on files that are not read, and on the formats of those that were."""
        notes = [
            f"{paths[0]}{f' and {len(paths) - 1} more files' if paths[1:] else ''}: {note}"
            for note, paths in self._notes.items()
        ]
        if unread := self._matched[1]:
            names = ", ".join(path.name for path in unread[:_SHOWN])
            more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
            advice = f" Excel workbooks: {AS_CSV}." if any(map(_is_workbook, unread)) else ""
            if any(path.is_dir() for path in unread):
                advice += " Sub-folders: set a glob such as `folder/**/*.csv`."
            notes.insert(0, f"Not read in {self.bars}: {names}{more}.{advice}")
        return (*notes, *self._exchange_notes.values())

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Read the bars of one ticker from all its files; see `Provider.fetch`.

        Rows keep their order, file by file. Missing values are null.

        Raises
        ------
        UnknownTickerError
            If no file has the ticker.
        BarsError
            If a file or a value cannot be parsed (with file, row, column and value), a column can
            be read in two ways, or two files have different bars of one session (with both files).
        """
        if ticker not in self._files_by_ticker:
            raise unknown_ticker(ticker, f"the files {self.bars!r}", self._files_by_ticker)
        sessions = self._sessions_of(ticker)
        bars = self._read(ticker, sessions)
        if isinstance(self._sessions_of, SessionsByTicker):
            note = self._sessions_of.confirm(ticker, bars.get_column("session"))
            self._exchange_notes |= {} if note is None else {ticker: note}
            confirmed = self._sessions_of(ticker)
            # The exchange decides on the sessions of time stamps.
            bars = bars if confirmed is sessions else self._read(ticker, confirmed)
        if session_range is None:
            return bars
        # A row without a session is kept: validation rejects it with a reason.
        return bars.filter((pl.col("session") >= session_range.start).fill_null(value=True))

    def source_version(self) -> str:
        """Return a hash of the paths, sizes and modification times of the present files.

        If it has changed since the last call, the files are read again.
        """
        digest = hashlib.sha256()
        for path in _match_files(self.bars)[0]:
            with suppress(FileNotFoundError):  # deleted since it was listed
                stat = path.stat()
                digest.update(f"{path}\n{stat.st_size} {stat.st_mtime_ns}\n".encode())
        if (version := digest.hexdigest()) != self._version:
            self._readings.clear()
            self._notes.clear()
            self._exchange_notes.clear()
            for name in ("_matched", "_files_by_ticker"):
                self.__dict__.pop(name, None)  # cached properties
            self._version = version
        return version

    def _read(self, ticker: str, sessions: Sessions) -> pl.DataFrame:
        paths = self._files_by_ticker[ticker]
        return merge_files({str(p): self._reading(p).bars(ticker, sessions) for p in paths})

    @cached_property
    def _matched(self) -> tuple[list[Path], list[Path]]:
        return _match_files(self.bars)

    @cached_property
    def _files_by_ticker(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for path in self._matched[0]:
            for ticker in self._tickers_of(path):
                files.setdefault(ticker, []).append(path)
        return files

    def _tickers_of(self, path: Path) -> tuple[str, ...]:
        try:
            names = read_columns(path)
            if has_no_header(names) or "ticker" in match_columns(names, str(path), self._columns):
                return self._reading(path).tickers
        except Exception as error:
            # `fetch` raises the error for the ticker of the file, so that others can be read.
            if len(self._matched[0]) == 1 and isinstance(error, BarsError):
                raise
        return (ticker_from_name(path),)

    def _reading(self, path: Path) -> FileReading:
        if path not in self._readings:
            reading = FileReading(path, self._sessions_of, self._columns)
            n_rows = sum(other.n_rows for other in self._readings.values())
            if n_rows + reading.n_rows > _CACHED_ROWS:
                self._readings.clear()
            self._readings[path] = reading
            for note in reading.notes:
                if path not in (paths := self._notes.setdefault(note, [])):
                    paths.append(path)
        return self._readings[path]


def _match_files(bars: str) -> tuple[list[Path], list[Path]]:
    """Return the files to read, and the other files and sub-folders of a folder."""
    pattern = Path(bars).expanduser().absolute()
    if pattern.is_file():
        paths = [pattern]
    elif pattern.is_dir():
        paths = list(_in_folder(pattern))
    else:
        paths = list(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    visible = sorted(path for path in paths if not path.name.startswith((".", "_")))
    readable = [path for path in visible if path.is_file() and suffix_of(path)]
    unread = [path for path in visible if path not in set(readable)]
    if not readable:
        raise BarsError(_no_match(bars, [path for path in unread if path.is_file()], unread))
    return readable, unread if pattern.is_dir() else []


def _in_folder(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in folder.iterdir():
        is_partition = path.is_dir() and "=" in path.name
        found += _in_folder(path) if is_partition else [path]
    return found


def _no_match(bars: str, files: list[Path], unread: list[Path]) -> str:
    matches = f"only other files, such as {files[0]}" if files else "nothing"
    if not files and unread:
        matches = f"only folders, such as {unread[0]}; a glob such as folder/**/*.csv reads them"
    advice = f" Excel workbooks: {AS_CSV}." if any(map(_is_workbook, files)) else ""
    return (
        f"`bars` must be a folder, glob or file with bars in {SUMMARY}; "
        f"{bars!r} matches {matches}. Quote a glob so that the shell does not expand it.{advice}"
    )


def _is_workbook(path: Path) -> bool:
    return path.suffix.lower() in {".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"}
