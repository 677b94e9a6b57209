"""Files in the formats of several sources, and helpers to read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from core.errors import BarsError
from market.calendars.exchanges import SessionsByTicker
from market.providers.files.provider import FilesProvider

Write = Callable[..., Path]

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300
"""
YFINANCE_HISTORY = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits
2013-02-27 00:00:00-05:00,448.43,452.44,440.65,444.57,57.98,20976800,0.0,0.0
2013-02-28 00:00:00-05:00,444.05,447.87,441.40,441.40,57.56,11518400,0.0,0.0
2013-03-01 00:00:00-05:00,438.00,438.18,429.98,430.47,56.14,19730300,0.0,0.0
"""
YFINANCE_DOWNLOAD = """Price,Adj Close,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,,
2013-02-27,57.98,444.57,452.44,440.65,448.43,20976800
2013-02-28,57.56,441.40,447.87,441.40,444.05,11518400
2013-03-01,56.14,430.47,438.18,429.98,438.00,19730300
"""
ALPHA_VANTAGE = """timestamp,open,high,low,close,volume
2013-03-01,438.0000,438.1800,429.9800,430.4700,19730300
2013-02-28,444.0500,447.8700,441.4000,441.4000,11518400
2013-02-27,448.4300,452.4400,440.6500,444.5700,20976800
"""
ALPHA_VANTAGE_ADJUSTED = """timestamp,open,high,low,close,adjusted_close,volume,\
dividend_amount,split_coefficient
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300,0.0000,1.0
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400,0.0000,1.0
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800,0.0000,1.0
"""
ALPHA_VANTAGE_PANDAS = """date,1. open,2. high,3. low,4. close,5. adjusted close,6. volume,\
7. dividend amount,8. split coefficient
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800.0,0.0,1.0
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400.0,0.0,1.0
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300.0,0.0,1.0
"""
STOOQ = """Date,Open,High,Low,Close,Volume
2013-02-27,448.43,452.44,440.65,444.57,20976800
2013-02-28,444.05,447.87,441.40,441.40,11518400
2013-03-01,438.00,438.18,429.98,430.47,19730300
"""
STOOQ_BULK = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
AAPL.US,D,20130227,000000,448.43,452.44,440.65,444.57,20976800,0
AAPL.US,D,20130228,000000,444.05,447.87,441.40,441.40,11518400,0
AAPL.US,D,20130301,000000,438.00,438.18,429.98,430.47,19730300,0
"""
SEMICOLONS = YAHOO.replace(",", ";").lower()
TRADED = [
    (date(2013, 2, 27), 448.43, 452.44, 440.65, 444.57, 20976800),
    (date(2013, 2, 28), 444.05, 447.87, 441.40, 441.40, 11518400),
    (date(2013, 3, 1), 438.00, 438.18, 429.98, 430.47, 19730300),
]
ADJUSTED = [57.98, 57.56, 56.14]
NAMES = ("Open", "High", "Low", "Close", "Volume")
RECORDS = [
    dict(zip(("date", "open", "high", "low", "close", "volume"), map(str, row), strict=True))
    for row in TRADED
]
PLAIN = pl.DataFrame(RECORDS)


def provider(bars: Path | str) -> FilesProvider:
    return FilesProvider(str(bars), SessionsByTicker())


def refusal(bars: Path | str) -> str:
    with pytest.raises(BarsError) as caught:
        fetch_all(provider(bars))
    return str(caught.value)


def fetch_all(files: FilesProvider) -> list[pl.DataFrame]:
    return [files.fetch(ticker) for ticker in files.tickers()]


def traded(bars: pl.DataFrame) -> list[tuple[object, ...]]:
    return bars.sort("session").select("session", "open", "high", "low", "close", "volume").rows()
