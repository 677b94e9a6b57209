"""Which tickers Stockcast follows: those of a setting, of a file, or all that the provider lists.

What happens to tickers that come and go belongs to the pipelines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from core.errors import SettingsError, TickerError
from core.settings import PREFIX
from core.tickers import check_ticker
from market.providers.protocol import Provider
from market.settings import MarketSettings

_HEADERS = ("ticker", "symbol")
_MAX_COMPLAINTS = 5


def followed_tickers(settings: MarketSettings, provider: Provider) -> tuple[str, ...]:
    """Return the tickers to follow, sorted, each once.

    They are ``settings.tickers``, or what the file ``settings.universe`` holds at this moment, or
    what the provider lists. The answer is never empty and never a part: a caller that gets an error
    must leave what it follows as it is, so that a file that is missing for a moment, or cannot be
    read, drops no ticker.

    Raises
    ------
    SettingsError
        When the file is missing or empty, or a line of it is no ticker (with file, line, value and
        the way out), or when there is no file and the provider lists nothing.
    StockcastError
        When the provider cannot list what it has; see `Provider.tickers`.
    """
    if settings.tickers:
        return tuple(sorted(set(settings.tickers)))
    if settings.universe is not None:
        return read_universe(settings.universe)
    if not (listed := provider.tickers()):
        msg = (
            f"The provider {provider.name} lists no tickers; name them in {PREFIX}TICKERS, or in "
            f"a file named by {PREFIX}UNIVERSE."
        )
        raise SettingsError(msg)
    return tuple(sorted(set(listed)))


def read_universe(path: Path) -> tuple[str, ...]:
    """Return the tickers that a file names, sorted, in capitals, each once.

    One ticker a line, or several with commas between; blank lines count for nothing, nor does what
    follows a ``#``. A table whose header has a column ``ticker`` or ``symbol`` works too: that
    column is read. Writers replace the file by renaming a new one over it, as otherwise a reader
    may see half of it.

    Raises
    ------
    SettingsError
        When the file is missing, empty, no text, or names what is no ticker; every wrong line is
        named, up to five.
    """
    found: dict[str, None] = {}
    complaints = []
    for number, value in _values(path, _read(path)):
        try:
            found[check_ticker(value)] = None
        except TickerError as error:
            complaints.append(f"{_universe(path)}, line {number}: {error}")
    if complaints:
        raise SettingsError("\n".join(complaints[:_MAX_COMPLAINTS]))
    if not found:
        msg = (
            f"{_universe(path)} names no ticker; write one a line, or unset {PREFIX}UNIVERSE. "
            f"To follow nothing, switch the schedules off."
        )
        raise SettingsError(msg)
    return tuple(sorted(found))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{_universe(path)} must be text in UTF-8, got other bytes: write one ticker a line."
        raise SettingsError(msg) from error
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{_universe(path)} must be a file of tickers, one a line: {reason}."
        raise SettingsError(msg) from error


def _values(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands for a ticker, with its line."""
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    lines = [(number, line) for number, line in stripped if _without_comment(line)]
    if not lines:
        return
    header = _cells(_without_comment(lines[0][1]))
    column = _column(header)
    if column is None:
        for number, line in lines:
            yield from ((number, cell) for cell in _cells(_without_comment(line)) if cell)
        return
    for number, line in lines[1:]:
        # A company's name may hold a #, so here a comment has a line of its own.
        cells = _cells(line)
        if len(cells) != len(header):
            msg = (
                f"{_universe(path)}, line {number}: expected {len(header)} cells as in the header, "
                f"got {len(cells)}; write one ticker a line."
            )
            raise SettingsError(msg)
        yield number, cells[column]


def _without_comment(line: str) -> str:
    return line.partition("#")[0].strip()


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error:  # longer than any cell may be, so no ticker either
        return [line]


def _column(header: list[str]) -> int | None:
    names = [name.lower() for name in header]
    return next((names.index(name) for name in _HEADERS if name in names), None)


def _universe(path: Path) -> str:
    return f"{PREFIX}UNIVERSE {path}"
