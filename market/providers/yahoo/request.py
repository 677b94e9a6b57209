"""What a question to Yahoo is for; apart, because those who ask need neither yfinance nor curl."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from market.quota.budgets import Purpose


@dataclass(frozen=True)
class YahooRequest:
    """Why Yahoo is asked, about what, and how much it may take; see `QuotaLedger.call`."""

    purpose: Purpose
    ticker: str
    symbol: str
    max_wait: float = inf
    attempts: int = 3
