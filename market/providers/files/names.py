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
    re.compile(
        r"[\s_-]+(historical[\s_-]*data|stock[\s_-]*price[\s_-]*history|historische[\s_-]*daten|"
        r"données[\s_-]*historiques|datos[\s_-]*históricos|dados[\s_-]*históricos|"
        r"dati[\s_-]*storici)$",
        re.IGNORECASE,
    ),
    re.compile(r"^(time_series_)?(daily|table|history|prices)_(adjusted_)?", re.IGNORECASE),
    re.compile(r"_(daily|1d|d|history|prices)$", re.IGNORECASE),
    # MetaTrader names the period in minutes.
    re.compile(r"(?<=[A-Za-z])1440$"),
)
# Names of TradingView and Stooq: (pattern, ticker).
_VENDORS = (
    (re.compile(r"^(?:NYSE|NASDAQ|AMEX|BATS|CBOE|OTC)_(?:DLY_)?(.+), 1D$"), r"\1"),
    (re.compile(r"^([a-z0-9-]+)_(us|uk|jp|de|hk|hu|pl)_d$"), r"\1.\2"),
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
    for pattern, ticker in _VENDORS:
        name = pattern.sub(ticker, name)
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
