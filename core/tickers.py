"""How a ticker is written, and which known tickers look like an unknown one.

Nothing here knows whether a ticker exists: that is a provider's or a store's answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import quote

from core.errors import TickerError, UnknownTickerError

# Python and Polars (Rust) read this expression alike: `validate_bars` applies it to a whole column.
TICKER_PATTERN = r"^\^?[A-Z0-9][A-Z0-9.&=_-]{0,23}$"
_TICKER = re.compile(TICKER_PATTERN.replace("$", r"\Z"))
_SHOWN_LENGTH = 40


def check_ticker(ticker: str) -> str:
    """Return the ticker in capitals, the one spelling that Stockcast keeps.

    Letters, digits and ``. & = _ -`` are allowed after a letter or digit, 24 characters at most,
    with ``^`` in front of an index: ``BRK.B``, ``005930.KS``, ``^GSPC``, ``EURUSD=X``.

    Raises
    ------
    TickerError
        For anything else, such as a path or a sentence.
    """
    capitals = ticker.upper()
    if _TICKER.match(capitals) is None or not ticker.isascii():
        shown = ticker if len(ticker) <= _SHOWN_LENGTH else ticker[:_SHOWN_LENGTH] + "..."
        msg = (
            f"`ticker` must be 1 to 24 letters, digits or . & = _ - (with ^ before an index), "
            f"got {shown!r}; write it as in AAPL, BRK.B, 005930.KS or ^GSPC."
        )
        raise TickerError(msg)
    return capitals


def unknown_ticker(ticker: str, known_to: str, known: Iterable[str]) -> UnknownTickerError:
    """Return the error for a ticker that `known_to` does not have, with up to three near names."""
    near = get_close_matches(ticker.upper(), sorted(known), n=3, cutoff=0.5)
    return UnknownTickerError(ticker, known_to, tuple(near))


def ticker_file_name(ticker: str) -> str:
    """Return the name of a ticker's Parquet file, safe for every shell and file system.

    Tickers are in capitals, so no two of them share a file where case does not count; what is not
    a letter or digit is escaped.
    """
    escaped = quote(ticker, safe="").replace(".", "%2E")
    return f"{escaped}.parquet"
