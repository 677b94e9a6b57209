"""The exchange and the sessions of a ticker, derived from its Yahoo suffix.

`market.calendars.sessions` has the calendars themselves.
"""

from __future__ import annotations

from functools import cache

from market.calendars.sessions import Sessions

# Suffix -> MIC of a calendar in `exchange_calendars`. A venue without a calendar is mapped to the
# exchange with the same holidays: Shenzhen to Shanghai, India's NSE to the BSE, Toronto's smaller
# venues to Toronto, Germany's regional exchanges to Frankfurt.
_EXCHANGES = {
    # Europe
    "L": "XLON",
    "IL": "XLON",
    "IR": "XDUB",
    "PA": "XPAR",
    "AS": "XAMS",
    "BR": "XBRU",
    "LS": "XLIS",
    "MI": "XMIL",
    "MC": "XMAD",
    "DE": "XETR",
    "F": "XFRA",
    "BE": "XFRA",
    "HA": "XFRA",
    "MU": "XFRA",
    "DU": "XDUS",
    "HM": "XHAM",
    "SG": "XSTU",
    "SW": "XSWX",
    "VI": "XWBO",
    "ST": "XSTO",
    "CO": "XCSE",
    "HE": "XHEL",
    "OL": "XOSL",
    "IC": "XICE",
    "WA": "XWAR",
    "PR": "XPRA",
    "BD": "XBUD",
    "RO": "XBSE",
    "AT": "ASEX",
    "IS": "XIST",
    "TL": "XTAL",
    "RG": "XRIS",
    "VS": "XLIT",
    # Asia and the Pacific
    "T": "XTKS",
    "HK": "XHKG",
    "SS": "XSHG",
    "SZ": "XSHG",
    "TW": "XTAI",
    "TWO": "XTAI",
    "KS": "XKRX",
    "KQ": "XKRX",
    "BO": "XBOM",
    "NS": "XBOM",
    "SI": "XSES",
    "KL": "XKLS",
    "JK": "XIDX",
    "BK": "XBKK",
    "PS": "XPHS",
    "AX": "XASX",
    "NZ": "XNZE",
    # The Americas
    "TO": "XTSE",
    "V": "XTSE",
    "CN": "XTSE",
    "NE": "XTSE",
    "MX": "XMEX",
    "SA": "BVMF",
    "BA": "XBUE",
    "SN": "XSGO",
    "CL": "XBOG",
    "LM": "XLIM",
    # Africa and the Middle East
    "JO": "XJSE",
    "TA": "XTAE",
    "SR": "XSAU",
}


def exchange_of(ticker: str, default: str) -> str:
    """Return the MIC of the exchange that the suffix of a ticker names, or `default`.

    Tickers without an exchange suffix belong to `default`: US tickers and their share classes
    (``BRK.B``, ``BF-B``), indices (``^GSPC``, also ``^FTSE``) and currency pairs (``EURUSD=X``).
    Bars of a currency pair on a holiday of `default` are therefore refused.

    Parameters
    ----------
    ticker
        Ticker in Stockcast's spelling, see `core.tickers.check_ticker`.
    default
        MIC for tickers without an exchange suffix.

    Examples
    --------
    >>> exchange_of("AZN.L", default="XNYS")
    'XLON'
    >>> exchange_of("BRK.B", default="XNYS")
    'XNYS'
    """
    _, dot, suffix = ticker.rpartition(".")
    return _EXCHANGES.get(suffix, default) if dot else default


class SessionsByTicker:
    """Callable that returns the sessions of a ticker's exchange.

    Parameters
    ----------
    default
        MIC for tickers without an exchange suffix.

    Raises
    ------
    SettingsError
        If `default` is not a known calendar.

    Examples
    --------
    >>> from datetime import date
    >>> sessions_of = SessionsByTicker("XNYS")
    >>> sessions_of("AAPL").is_session(date(2024, 5, 27))  # Memorial Day in New York
    False
    >>> sessions_of("SAP.DE").is_session(date(2024, 5, 27))
    True
    """

    def __init__(self, default: str = "XNYS") -> None:
        self.default = _sessions(default).exchange

    def __call__(self, ticker: str) -> Sessions:
        """Return the sessions of the exchange of `ticker`; one object is shared per exchange."""
        return _sessions(exchange_of(ticker, self.default))


@cache
def _sessions(exchange: str) -> Sessions:
    return Sessions(exchange)
