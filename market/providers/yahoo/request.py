"""`YahooRequest`, in a module that imports neither yfinance nor curl_cffi."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from market.quota.budgets import Purpose


@dataclass(frozen=True)
class YahooRequest:
    """Subject, purpose and limits of a request.

    Attributes
    ----------
    purpose, ticker, max_wait
        See `market.quota.ledger.QuotaLedger.call`.
    symbol
        Yahoo's spelling of the ticker.
    attempts
        Maximum number of attempts, retries included.
    """

    purpose: Purpose
    ticker: str
    symbol: str
    max_wait: float = inf
    attempts: int = 3
