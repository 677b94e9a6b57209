"""Which exchange a ticker trades on, by Yahoo's suffixes, and so which calendar it follows.

The calendars themselves are `sessions`; whether a ticker exists is a provider's answer.
"""

from __future__ import annotations

from functools import cache

from market.calendars.sessions import Sessions

# Suffix -> MIC of a calendar that `exchange_calendars` has. Venues without one of their own stand
# under the exchange whose holidays they keep: Shenzhen under Shanghai, India's NSE under the BSE,
# Toronto's smaller venues under Toronto, Germany's regional floors under Frankfurt.
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
    """Return the MIC of the exchange that a ticker's suffix names, or else `default`.

    What has no suffix of an exchange follows `default`: US tickers and their classes of shares
    (``BRK.B``, ``BF-B``), indices (``^GSPC``, and also ``^FTSE``) and currency pairs
    (``EURUSD=X``). A pair trades on the holidays of `default` too; those bars are not taken in.

    Parameters
    ----------
    ticker
        A ticker in Stockcast's spelling; see `core.tickers.check_ticker`.
    default
        MIC of the calendar of tickers without a suffix.
    """
    _, dot, suffix = ticker.rpartition(".")
    return _EXCHANGES.get(suffix, default) if dot else default


class SessionsByTicker:
    """The sessions of any ticker, by the exchange that it trades on.

    Parameters
    ----------
    default
        MIC of the calendar of tickers whose suffix names no exchange.

    Raises
    ------
    SettingsError
        For a default that has no known calendar.
    """

    def __init__(self, default: str = "XNYS") -> None:
        self.default = _sessions(default).exchange

    def __call__(self, ticker: str) -> Sessions:
        """Return the sessions of the ticker's exchange, one object for each exchange."""
        return _sessions(exchange_of(ticker, self.default))


@cache
def _sessions(exchange: str) -> Sessions:
    return Sessions(exchange)
