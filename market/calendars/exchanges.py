"""The exchange and the sessions of a ticker, derived from its spelling, which is that of Yahoo.

`market.calendars.sessions` has the calendars themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache

from core.isolation import find_faulty
from market.calendars.sessions import UPGRADE, Sessions

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

# Pairs such as BTC-USD trade on every day. No share class or preferred share has such a suffix.
_CRYPTO_PAIR = re.compile(
    r"^[A-Z0-9]{2,12}-(USD|USDT|USDC|EUR|GBP|JPY|CHF|CAD|AUD|KRW|INR|BRL|CNY|BTC|ETH)$"
)
_CURRENCY_PAIR = re.compile(r"^[A-Z]{3,6}=X$")
ALWAYS_OPEN = "24/7"
OPEN_ON_WEEKDAYS = "24/5"

# Users need time to install a newer calendar before its end.
WARNING_DAYS = 60
_MAX_LISTED = 8


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


def warn_of_ending_calendars(
    tickers: Iterable[str], sessions_of: Callable[[str], Sessions], now: datetime
) -> list[str]:
    """Return one warning per calendar that ends within `WARNING_DAYS` of `now`, or has ended.

    A forecast needs the calendar up to its target session, so the forecasts of these tickers stop
    before the calendar ends. The warning names the exchange, its tickers and the remedy.

    Examples
    --------
    >>> now = datetime(2024, 7, 5, tzinfo=UTC)
    >>> warn_of_ending_calendars(["AAPL", "600519.SS"], SessionsByTicker("XNYS"), now)
    []
    """
    by_exchange: dict[str, list[str]] = {}

    def add(ticker: str) -> None:
        by_exchange.setdefault(sessions_of(ticker).exchange, []).append(ticker)

    find_faulty(tickers, add)  # the ingest names a ticker without a calendar
    warnings = []
    for exchange, followed in sorted(by_exchange.items()):
        end = _sessions(exchange).published_until
        if end is None or (days := (end - now.astimezone(UTC).date()).days) > WARNING_DAYS:
            continue
        when = f"ends on {end}, in {days} days" if days >= 0 else f"ended on {end}"
        listed = ", ".join(followed[:_MAX_LISTED])
        listed += f" and {len(followed) - _MAX_LISTED:,} more" if followed[_MAX_LISTED:] else ""
        warnings.append(
            f"The calendar of {exchange} {when}. Tickers whose target session is later get no "
            f"forecast: {listed}. To prevent this, {UPGRADE}."
        )
    return warnings
