"""The spelling of tickers and suggestions for unknown ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import quote

from core.errors import TickerError, UnknownTickerError

# Python and Polars (Rust) must read this pattern alike: `validate_bars` applies it to a column.
TICKER_PATTERN = r"^\^?[A-Z0-9][A-Z0-9.&=_-]{0,23}$"
_TICKER = re.compile(TICKER_PATTERN.replace("$", r"\Z"))
# Two letters at least before / and a space, so that a path such as a/b is no ticker.
_SHARE_CLASS = re.compile(r"^(?=[A-Z]{2}|[A-Z]-)([A-Z]{1,5})[-/ ]([A-Z])\Z")
_MAX_LENGTH_IN_ERROR = 40


def check_ticker(ticker: str) -> str:
    """Validate a ticker and return it in its one spelling.

    The spelling has capitals. A share class follows a dot: ``BRK-B``, ``BRK B`` and ``BF/B``
    become ``BRK.B`` and ``BF.B``.

    A ticker has 1 to 24 letters, digits and ``. & = _ -`` and starts with a letter or a digit. An
    index has ``^`` in front. Examples are ``BRK.B``, ``005930.KS``, ``^GSPC`` and ``EURUSD=X``.

    Raises
    ------
    TickerError
        If `ticker` has another form.
    """
    capitals = _SHARE_CLASS.sub(r"\1.\2", ticker.upper())
    if _TICKER.match(capitals) is None or not ticker.isascii():
        is_long = len(ticker) > _MAX_LENGTH_IN_ERROR
        shown = f"{ticker[:_MAX_LENGTH_IN_ERROR]}..." if is_long else ticker
        msg = (
            f"`ticker` must be 1 to 24 letters, digits or . & = _ - (with ^ before an index), "
            f"got {shown!r}; examples are AAPL, BRK.B, 005930.KS and ^GSPC."
        )
        raise TickerError(msg)
    return capitals


def unknown_ticker(ticker: str, source: str, available: Iterable[str]) -> UnknownTickerError:
    """Return an error that suggests up to three similar tickers.

    Parameters
    ----------
    ticker
        The ticker that was not found.
    source
        Name of the provider or store, such as ``the sample provider``.
    available
        All tickers of the source.
    """
    similar = get_close_matches(ticker.upper(), sorted(available), n=3, cutoff=0.5)
    return UnknownTickerError(ticker, source, tuple(similar))


def ticker_file_name(ticker: str) -> str:
    """Return the name of a ticker's Parquet file.

    All characters except letters and digits are escaped, so the name is valid on every file
    system. Tickers are in capitals, so names are unique on case-insensitive file systems too.
    """
    escaped = quote(ticker, safe="").replace(".", "%2E")
    return f"{escaped}.parquet"
