"""The followed tickers: from a setting, from a file, or all tickers that the provider lists.

`pipelines.partitions` adds and removes the partitions of tickers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import SettingsError, TickerError
from core.settings import PREFIX
from core.tickers import check_ticker
from market.calendars.choices import ExchangeChoices
from market.calendars.exchanges import DATABASE
from market.calendars.sessions import Sessions
from market.providers.protocol import Provider
from market.settings import MarketSettings

_HEADERS = ("ticker", "symbol")
_NAME_HEADERS = ("name", "company")
_EXCHANGE_HEADERS = ("exchange", "mic", "calendar")
# Calendars of exchanges and of always open markets. XOMA has this form too and is a ticker.
_MIC = re.compile(r"^(X[A-Z]{3}|BVMF|ASEX|24/[57])$")
_PAIR = 2
_MAX_ERRORS = 5


def followed_tickers(settings: MarketSettings, provider: Provider) -> tuple[str, ...]:
    """Return the followed tickers, sorted and unique, and record the exchanges in their file.

    They come from ``settings.tickers``, else from the file ``settings.universe``, else from the
    provider. The result is complete and never empty. After an error the caller must keep the
    previous tickers, so that an unreadable file does not drop any.

    Raises
    ------
    SettingsError
        If the file is missing, empty or invalid, or if there is no file and the provider lists no
        tickers.
    StockcastError
        If the provider cannot list its tickers, see `market.providers.protocol.Provider.tickers`.
    """
    exchanges = {} if settings.universe is None else read_exchanges(settings.universe)
    ExchangeChoices(settings.home / DATABASE).name(exchanges)
    if settings.tickers:
        return tuple(sorted(set(settings.tickers)))
    if settings.universe is not None:
        return read_universe(settings.universe)
    if not (listed := provider.tickers()):
        msg = (
            f"The provider {provider.name} lists no tickers; list them in {PREFIX}TICKERS, or in "
            f"a file and set {PREFIX}UNIVERSE to its path."
        )
        raise SettingsError(msg)
    return tuple(sorted(set(listed)))


def read_universe(path: Path) -> tuple[str, ...]:
    """Return the tickers in a file, in their one spelling, sorted and unique.

    The file has one ticker per line, or several separated by commas. Blank lines and text after a
    ``#`` are ignored. A CSV table with a column ``ticker`` or ``symbol`` is valid too. Replace the
    file by renaming a new one over it, so that no reader sees an incomplete file. `read_exchanges`
    describes the exchanges in it.

    Raises
    ------
    SettingsError
        If the file is missing, empty, not UTF-8 text, or has invalid tickers or exchanges. The
        message lists up to five invalid lines.
    """
    return tuple(sorted(_read_tickers(path)))


def read_exchanges(path: Path) -> dict[str, str]:
    """Return the exchanges that the file names, by ticker.

    A line ``MKC.V,XNYS`` names a ticker and the MIC of its exchange. A table has a column
    ``exchange`` or ``mic``, which may be empty.

    Raises
    ------
    SettingsError
        See `read_universe`; also if two lines name different exchanges of one ticker.
    """
    return {ticker: exchange for ticker, exchange in _read_tickers(path).items() if exchange}


def read_names(path: Path) -> dict[str, str]:
    """Return the company names that the file has, by ticker.

    A table has them in a column ``name`` or ``company``. Any other file has none.

    Raises
    ------
    SettingsError
        See `read_universe`.
    """
    lines = [line for line in _read(path).split("\n") if _without_comment(line)]
    header = _cells(lines[0]) if lines else []
    column, name_column = _column(header, _HEADERS), _column(header, _NAME_HEADERS)
    if column is None or name_column is None:
        return {}
    known = _read_tickers(path)
    rows = [_cells(line) for line in lines[1:]]
    names = {check_ticker(cells[column]): cells[name_column] for cells in rows}
    return {ticker: name for ticker, name in names.items() if name and ticker in known}


def _read_tickers(path: Path) -> dict[str, str]:
    """Return the tickers with their exchanges, which are empty if the file names none."""
    tickers: dict[str, str] = {}
    errors = []
    for number, value, named in _values(path, _read(path)):
        try:
            ticker, exchange = check_ticker(value), named and Sessions(named).exchange
        except (TickerError, SettingsError) as error:
            errors.append(f"{_universe(path)}, line {number}: {error}")
            continue
        if exchange and tickers.get(ticker) not in (None, "", exchange):
            errors.append(
                f"{_universe(path)}, line {number}: {ticker} is on {tickers[ticker]} in another "
                f"line, got {exchange}; keep one of them."
            )
        tickers[ticker] = exchange or tickers.get(ticker, "")
    if errors:
        raise SettingsError("\n".join(errors[:_MAX_ERRORS]))
    if not tickers:
        msg = (
            f"{_universe(path)} has no ticker; write one per line, or unset {PREFIX}UNIVERSE. "
            f"To follow no ticker, turn off the schedules."
        )
        raise SettingsError(msg)
    return tickers


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{_universe(path)} must be UTF-8 text, got other bytes; write one ticker per line."
        raise SettingsError(msg) from error
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{_universe(path)} must be a file with one ticker per line: {reason}."
        raise SettingsError(msg) from error


def _values(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield each line number, ticker and exchange (or an empty text), not validated."""
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    lines = [(number, line) for number, line in stripped if _without_comment(line)]
    if not lines:
        return
    header = _cells(_without_comment(lines[0][1]))
    column = _column(header, _HEADERS)
    if column is None:
        for number, line in lines:
            cells = [cell for cell in _cells(_without_comment(line)) if cell]
            if len(cells) == _PAIR and _is_calendar(cells[1]):
                yield number, cells[0], cells[1]
            else:
                yield from ((number, cell, "") for cell in cells)
        return
    exchange_column = _column(header, _EXCHANGE_HEADERS)
    for number, line in lines[1:]:
        # Company names may contain a #, so comments in tables need their own line.
        cells = _cells(line)
        if len(cells) != len(header):
            msg = (
                f"{_universe(path)}, line {number}: expected {len(header)} cells as in the header, "
                f"got {len(cells)}; write one row per line."
            )
            raise SettingsError(msg)
        exchange = "" if exchange_column is None else cells[exchange_column]
        # Lists of other sources have names such as NMS in this column. The suffix decides then.
        exchange = exchange if _MIC.match(exchange) else ""
        yield number, cells[column], exchange


def _is_calendar(name: str) -> bool:
    if not _MIC.match(name):
        return False
    try:
        Sessions(name)
    except SettingsError:
        return False
    return True


def _without_comment(line: str) -> str:
    return line.partition("#")[0].strip()


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error:  # a cell longer than the limit, which is no ticker
        return [line]


def _column(header: list[str], wanted: Sequence[str]) -> int | None:
    names = [name.lower() for name in header]
    return next((names.index(name) for name in wanted if name in names), None)


def _universe(path: Path) -> str:
    return f"{PREFIX}UNIVERSE {path}"
