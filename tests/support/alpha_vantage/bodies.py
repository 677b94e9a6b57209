"""Alpha Vantage's responses: messages of refusals, and JSON objects with data.

The messages are quoted from real responses. Some mention the limits of other refusals.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl

_PLANS = "https://www.alphavantage.co/premium/"
_THANKS = "Thank you for using Alpha Vantage!"

INVALID_KEY = {
    "Error Message": "the parameter apikey is invalid or missing. Please claim your free API key "
    "on (https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
}
DEMO_KEY = {
    "Information": "The **demo** API key is for demo purposes only. Please claim your free API key "
    "at (https://www.alphavantage.co/support/#api-key) to explore our full API offerings."
}
PREMIUM_ONLY = {
    "Information": f"{_THANKS} This is a premium endpoint. You may subscribe to any of the premium "
    f"plans at {_PLANS} to instantly unlock all premium endpoints"
}
PREMIUM_FULL = {
    "Information": f"{_THANKS} The outputsize=full parameter value is a premium feature for the "
    f"TIME_SERIES_DAILY endpoint. You may subscribe to any of the premium plans at {_PLANS} to "
    "instantly unlock all premium features"
}
PER_SECOND = {
    "Information": f"{_THANKS} Please consider spreading out your free API requests more sparingly "
    f"(1 request per second). You may subscribe to any of the premium plans at {_PLANS} to lift "
    "the free key rate limit (25 requests per day), raise the per-second burst limit, and "
    "instantly unlock all premium endpoints"
}
BURST = {
    "Information": "Burst pattern detected. Please consider spreading out your API requests more "
    "evenly across a 1-minute window and query no more than 5 requests per second. Please contact "
    "support@alphavantage.co if you are targeting a higher API request volume."
}
PER_MINUTE = {
    "Note": f"{_THANKS} Our standard API call frequency is 5 calls per minute and 500 calls per "
    f"day. Please visit {_PLANS} if you would like to target a higher API call frequency."
}
PER_MINUTE_PREMIUM = {
    "Information": "Minute-level rate limit exceed. Please stay under the number of API requests "
    "per minute for your premium subscription plan. Please contact support@alphavantage.co if you "
    "are targeting a higher API request volume."
}
ODD_SENTENCE = {"Information": "We are moving to a new building this weekend."}


def per_day(key: str) -> dict[str, str]:
    """The refusal of the day. It repeats the key."""
    return {
        "Information": f"We have detected your API key as {key} and our standard API rate limit "
        f"is 25 requests per day. Please subscribe to any of the premium plans at {_PLANS} to "
        "instantly remove all daily rate limits."
    }


def invalid_call(function: str) -> dict[str, str]:
    """The refusal of an unknown symbol."""
    return {
        "Error Message": "Invalid API call. Please retry or visit the documentation "
        f"(https://www.alphavantage.co/documentation/) for {function}."
    }


def daily(symbol: str, bars: pl.DataFrame, *, full: bool) -> dict[str, Any]:
    """A TIME_SERIES_DAILY response, newest session first; `bars` are sorted by session."""
    names = ("1. open", "2. high", "3. low", "4. close")
    rows = {
        str(session): {
            **{name: f"{price:.4f}" for name, price in zip(names, prices, strict=True)},
            "5. volume": str(volume),
        }
        for session, *prices, volume in bars.reverse()
        .select("session", "open", "high", "low", "close", "volume")
        .iter_rows()
    }
    title = "Daily Prices (open, high, low, close) and Volumes"
    return {"Meta Data": _meta(title, symbol, rows, full=full), "Time Series (Daily)": rows}


def daily_adjusted(
    symbol: str, bars: pl.DataFrame, actions: pl.DataFrame, *, full: bool
) -> dict[str, Any]:
    """A TIME_SERIES_DAILY_ADJUSTED response with the actions of its sessions."""
    joined = bars.drop("split_factor", "dividend", strict=False).join(
        actions.drop("ticker"), on="session", how="left", maintain_order="left"
    )
    events = {
        row[0]: row[1:] for row in joined.select("session", "dividend", "split_factor").rows()
    }
    body = daily(symbol, bars, full=full)
    for session, row in body["Time Series (Daily)"].items():
        dividend, factor = events[date.fromisoformat(session)]
        volume = row.pop("5. volume")
        row["5. adjusted close"] = row["4. close"]
        row["6. volume"] = volume
        row["7. dividend amount"] = f"{dividend or 0:.4f}"
        row["8. split coefficient"] = f"{factor or 1:.6g}"
    body["Meta Data"]["1. Information"] = "Daily Time Series with Splits and Dividend Events"
    return body


def splits(symbol: str, actions: pl.DataFrame) -> dict[str, Any]:
    """A SPLITS response, newest first."""
    rows = actions.filter(pl.col("split_factor") != 1.0).sort("session", descending=True)
    return {
        "symbol": symbol,
        "data": [
            {"effective_date": str(session), "split_factor": f"{factor:.4f}"}
            for session, factor in rows.select("session", "split_factor").iter_rows()
        ],
    }


def dividends(symbol: str, actions: pl.DataFrame) -> dict[str, Any]:
    """A DIVIDENDS response, newest first; some dates are missing, as in real responses."""
    rows = actions.filter(pl.col("dividend") > 0).sort("session", descending=True)
    return {
        "symbol": symbol,
        "data": [
            {
                "ex_dividend_date": str(session),
                "declaration_date": "None",
                "record_date": str(session),
                "payment_date": "None",
                "amount": f"{amount:.6g}",
            }
            for session, amount in rows.select("session", "dividend").iter_rows()
        ],
    }


def global_quote(symbol: str, bars: pl.DataFrame) -> dict[str, Any]:
    """A GLOBAL_QUOTE response for the last bar."""
    last = bars.row(-1, named=True)
    before = bars.row(-2, named=True) if bars.height > 1 else last
    change = last["close"] - before["close"]
    return {
        "Global Quote": {
            "01. symbol": symbol,
            "02. open": f"{last['open']:.4f}",
            "03. high": f"{last['high']:.4f}",
            "04. low": f"{last['low']:.4f}",
            "05. price": f"{last['close']:.4f}",
            "06. volume": str(last["volume"]),
            "07. latest trading day": str(last["session"]),
            "08. previous close": f"{before['close']:.4f}",
            "09. change": f"{change:.4f}",
            "10. change percent": f"{100 * change / before['close']:.4f}%",
        }
    }


def best_matches(symbols: list[str]) -> dict[str, Any]:
    """A SYMBOL_SEARCH response, best match first."""
    return {
        "bestMatches": [
            {
                "1. symbol": symbol,
                "2. name": f"{symbol} Inc",
                "3. type": "Equity",
                "4. region": "United States",
                "5. marketOpen": "09:30",
                "6. marketClose": "16:00",
                "7. timezone": "UTC-04",
                "8. currency": "USD",
                "9. matchScore": f"{1 - place / 10:.4f}",
            }
            for place, symbol in enumerate(symbols)
        ]
    }


def doubled(body: dict[str, Any]) -> str:
    """JSON text with the first row of the data twice, which a dict cannot represent."""
    name = next((key for key in ("Time Series (Daily)", "data") if body.get(key)), None)
    if name is None:
        return json.dumps(body)
    data = body[name]
    if isinstance(data, list):
        return json.dumps(body | {name: [data[0], *data]})
    first = next(iter(data))
    row = f"{json.dumps(first)}: {json.dumps(data[first])}, "
    text, start = json.dumps(body), f"{json.dumps(name)}: {{"
    return text.replace(start, start + row, 1)


def _meta(title: str, symbol: str, rows: dict[str, Any], *, full: bool) -> dict[str, str]:
    return {
        "1. Information": title,
        "2. Symbol": symbol,
        "3. Last Refreshed": next(iter(rows), ""),
        "4. Output Size": "Full size" if full else "Compact",
        "5. Time Zone": "US/Eastern",
    }
