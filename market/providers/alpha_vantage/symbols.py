"""Our tickers in Alpha Vantage's spelling, and back. Whether a symbol exists only it can say."""

from __future__ import annotations

import re

# Yahoo's suffix of an exchange, which our tickers have, and Alpha Vantage's.
_SUFFIXES = {
    "AS": "AMS",
    "BO": "BSE",
    "DE": "DEX",
    "F": "FRK",
    "L": "LON",
    "PA": "PAR",
    "SA": "SAO",
    "SS": "SHH",
    "SZ": "SHZ",
    "TO": "TRT",
    "V": "TRV",
}
_OUR_SUFFIXES = {theirs: ours for ours, theirs in _SUFFIXES.items()}
# Tokyo: without this, a Japanese ticker would be read as a class of shares.
_OTHER_EXCHANGES = ("T",)
# Indices, currency pairs and futures of Yahoo, and coins such as BTC-USD.
_NO_SHARE = re.compile(r"^\^|=|-[A-Z]{3}$")
_CLASS = re.compile(r"^[A-Z]$")


def symbol_of(ticker: str) -> str | None:
    """Return the symbol that Alpha Vantage has for a ticker, or None where it has none.

    ``AZN.L`` is ``AZN.LON``, ``BRK.B`` is ``BRK-B``. Indices, currency pairs, and exchanges that
    it does not cover have no symbol.
    """
    if _NO_SHARE.search(ticker):
        return None
    base, dot, suffix = ticker.rpartition(".")
    if not dot:
        return ticker
    if suffix in _SUFFIXES:
        return f"{base.replace('.', '-')}.{_SUFFIXES[suffix]}"
    if _CLASS.match(suffix) and suffix not in _OTHER_EXCHANGES:
        return f"{base.replace('.', '-')}-{suffix}"
    return None


def ticker_of(symbol: str) -> str:
    """Return our ticker of a symbol; one that we cannot spell stays as it is."""
    base, dot, suffix = symbol.upper().rpartition(".")
    if dot and suffix in _OUR_SUFFIXES:
        return f"{base}.{_OUR_SUFFIXES[suffix]}"
    return symbol.upper()
