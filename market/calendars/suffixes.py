"""The suffixes of tickers: exchanges, in the spelling of Yahoo, and US share classes."""

from __future__ import annotations

import re

# Pairs such as BTC-USD trade on every day. No share class or preferred share has such a suffix.
_CRYPTO_PAIR = re.compile(
    r"^[A-Z0-9]{2,12}-(USD|USDT|USDC|EUR|GBP|JPY|CHF|CAD|AUD|KRW|INR|BRL|CNY|BTC|ETH)$"
)
_CURRENCY_PAIR = re.compile(r"^[A-Z]{3,6}=X$")
ALWAYS_OPEN = "24/7"
OPEN_ON_WEEKDAYS = "24/5"

# The calendar of the US exchanges, with its aliases.
US_CALENDARS = frozenset({"XNYS", "NYSE", "XNAS", "NASDAQ", "XASE", "ARCX", "BATS", "OOTC"})
# Share classes (`BRK.B`), preferred shares (`WFC.PR.L`, `WFC.PRL`), warrants, rights and units,
# also of a series (`ABC.WS.A`).
_US_SECURITY = re.compile(
    r"^(?P<base>[A-Z]+)\.(?:(?P<kind>PR|WS|RT|UN|U|CL)(?:\.?(?P<series>[A-Z]))?|(?P<letter>[A-Z]))$"
)
# Endings that no other exchange has.
_US_SERIES = re.compile(r"\.(PR|WS|RT|UN|U|CL)\.[A-Z]$")
# Codes of Tokyo begin with a digit. Other tickers with its suffix are share classes.
_TOKYO = re.compile(r"^\d[0-9A-Z]*\.T$")
# Suffix -> MIC of a calendar in `exchange_calendars`. A venue without a calendar is mapped to the
# exchange with the same holidays: Shenzhen to Shanghai, India's NSE to the BSE, Toronto's smaller
# venues to Toronto, Germany's regional exchanges to Frankfurt.
EXCHANGES = {
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
    # Stooq and EODHD, where they differ from Yahoo and cannot be share classes
    "US": "XNYS",
    "UK": "XLON",
    "LSE": "XLON",
    "JP": "XTKS",
    "PL": "XWAR",
    "HU": "XBUD",
    "XETRA": "XETR",
    "AU": "XASX",
    "SHG": "XSHG",
    "SHE": "XSHG",
    "NSE": "XBOM",
    "BSE": "XBOM",
    "KO": "XKRX",
}


def exchange_of(ticker: str, default: str) -> str:
    """Return the MIC of the exchange that the suffix of a ticker names, or `default`.

    Pairs of a cryptocurrency (``BTC-USD``) have the calendar ``24/7``, and currency pairs
    (``EURUSD=X``) have ``24/5``. Other tickers without an exchange suffix belong to `default`: US
    tickers and their share classes (``BRK.B``, ``BF-B``), indices (``^GSPC``, also ``^FTSE``) and
    futures (``CL=F``).

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
    >>> exchange_of("BTC-USD", default="XNYS")
    '24/7'
    """
    if _CRYPTO_PAIR.match(ticker):
        return ALWAYS_OPEN
    if _CURRENCY_PAIR.match(ticker):
        return OPEN_ON_WEEKDAYS
    _, dot, suffix = ticker.rpartition(".")
    if _US_SERIES.search(ticker) or (suffix == "T" and not _TOKYO.match(ticker)):
        return default
    return EXCHANGES.get(suffix, default) if dot else default


def us_security(ticker: str, exchange: str | None = None) -> tuple[str, str, str] | None:
    """Return the parts of a US share class, preferred share, warrant, right or unit.

    Parameters
    ----------
    ticker
        In the spelling of `core.tickers.check_ticker`.
    exchange
        MIC of the exchange of the ticker, if it is known. It tells McCormick's voting shares,
        ``MKC.V``, from a ticker of Toronto's venture exchange.

    Returns
    -------
    tuple of str or None
        The ticker of the company, the kind (empty for a share class, else PR, WS, RT, UN, U or CL)
        and the letter of the class or series, which may be empty. None for any other ticker.

    Examples
    --------
    >>> us_security("WFC.PR.L")
    ('WFC', 'PR', 'L')
    >>> us_security("MKC.V", "XNYS")
    ('MKC', '', 'V')
    >>> us_security("MKC.V") is None
    True
    """
    match = _US_SECURITY.match(ticker)
    if match is None or (exchange_of(ticker, default="") and exchange not in US_CALENDARS):
        return None
    return match["base"], match["kind"] or "", match["series"] or match["letter"] or ""
