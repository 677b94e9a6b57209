"""Tickers in the names of files."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import BarsError, TickerError
from core.tickers import check_ticker
from market.providers.files.sources import suffix_of

# Parts that vendors and browsers add to the ticker in the names of downloads.
_DECORATIONS = (
    re.compile(r"\s*\(\d+\)$"),
    re.compile(r"[\s_-]+(historical[\s_-]*data|stock[\s_-]*price[\s_-]*history)$", re.IGNORECASE),
    re.compile(r"^(time_series_)?(daily|table|history|prices)_(adjusted_)?", re.IGNORECASE),
    re.compile(r"_(daily|1d|d|history|prices)$", re.IGNORECASE),
)
_PART_OF_DATA_SET = re.compile(r"^(part|data|file|chunk|batch)[-_.]?\d+", re.IGNORECASE)


def ticker_from_name(path: Path) -> str:
    """Return the ticker in the name of a file without a column for it.

    Raises
    ------
    BarsError
        If the name is no ticker.
    """
    name = path.name[: -len(suffix_of(path) or "")]
    for decoration in _DECORATIONS:
        name = decoration.sub("", name)
    if _PART_OF_DATA_SET.match(name):
        msg = (
            f"{path}: the file has no column `ticker`, and {name!r} is the name of a part of a "
            f"data set; add the column, or put the file into a folder such as `ticker=AAPL`."
        )
        raise BarsError(msg)
    try:
        return check_ticker(name)
    except TickerError as error:
        msg = f"{path}: the file has no column `ticker`, so its name must be a ticker. {error}"
        raise BarsError(msg) from None
