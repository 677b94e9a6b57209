"""Conversion between our tickers and Alpha Vantage's symbols."""

from __future__ import annotations

import re

from market.calendars.suffixes import us_security

# Exchange suffix of our tickers, which is Yahoo's -> that of Alpha Vantage.
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
_OUR_SUFFIXES = {suffix: ours for ours, suffix in _SUFFIXES.items()}
# Alpha Vantage's spelling of kinds of US securities.
_KINDS = {"": "", "PR": "-P", "WS": "-WS", "RT": "-R", "UN": "-U", "U": "-U", "CL": "-CL"}
# Indices, currency pairs and futures of Yahoo, and coins such as BTC-USD.
_NOT_A_SHARE = re.compile(r"^\^|=|-[A-Z]{3}$")


def symbol_of(ticker: str, exchange: str | None = None) -> str | None:
    """Return Alpha Vantage's symbol of a ticker, or None if it has none.

    ``AZN.L`` becomes ``AZN.LON``, ``BRK.B`` becomes ``BRK-B``, ``WFC.PR.L`` becomes ``WFC-P-L``.
    Indices, currency pairs and tickers of exchanges that Alpha Vantage does not cover have no
    symbol.

    Parameters
    ----------
    exchange
        See `market.calendars.suffixes.us_security`.
    """
    if _NOT_A_SHARE.search(ticker):
        return None
    if (parts := us_security(ticker, exchange)) is not None:
        base, kind, letter = parts
        return base + _KINDS[kind] + (f"-{letter}" if letter else "")
    base, dot, suffix = ticker.rpartition(".")
    if not dot:
        return ticker
    if suffix in _SUFFIXES:
        return f"{base.replace('.', '-')}.{_SUFFIXES[suffix]}"
    return None


def ticker_of(symbol: str) -> str:
    """Return our ticker of a symbol; a symbol with an unknown suffix is only upper-cased."""
    base, dot, suffix = symbol.upper().rpartition(".")
    if dot and suffix in _OUR_SUFFIXES:
        return f"{base}.{_OUR_SUFFIXES[suffix]}"
    return symbol.upper()
