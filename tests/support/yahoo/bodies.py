"""Yahoo's responses as JSON objects: split-adjusted bars, events and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from market.bars.contract import PRICES
from market.calendars.sessions import Sessions

NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
UNAUTHORIZED = {"code": "Unauthorized", "description": "Invalid Crumb"}
NO_DATA = {
    "code": "Bad Request",
    "description": "Data doesn't exist for startDate = 1362200400, endDate = 1362286800",
}
INTERNAL = {"code": "Internal Server Error", "description": "Unable to read from the database"}
RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_OPENS = timedelta(hours=9, minutes=30)


def failure(error: dict[str, str]) -> dict[str, Any]:
    return {"chart": {"result": None, "error": error}}


def adjusted(bars: pl.DataFrame, actions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars and actions adjusted for later splits, as 32-bit floats and with six decimals."""
    factor = pl.lit(1.0)
    for session, split in actions.select("session", "split_factor").rows():
        factor *= pl.when(pl.col("session") < session).then(split).otherwise(1.0)
    bars = bars.with_columns(
        *((pl.col(name) / factor).cast(pl.Float32).cast(pl.Float64) for name in PRICES),
        (pl.col("volume") * factor).round().cast(pl.Int64),
    )
    return bars, actions.with_columns((pl.col("dividend") / factor).round(6))


def traded(bars: pl.DataFrame, sessions: Sessions, seen: datetime) -> pl.DataFrame:
    """Bars of closed sessions, and half a bar of a session in progress."""
    closed = bars.filter(pl.col("session") <= sessions.last_closed(seen))
    today = local_date(seen, sessions)
    if closed["session"].max() == today or seen.timestamp() < _opening(today, sessions.timezone):
        return closed
    half = (pl.col("open") + pl.col("close")) / 2
    current = bars.filter(pl.col("session") == today).with_columns(
        pl.max_horizontal("open", half).alias("high"),
        pl.min_horizontal("open", half).alias("low"),
        half.alias("close"),
        pl.col("volume") // 2,
    )
    return pl.concat([closed, current])


def chart(
    bars: pl.DataFrame, actions: pl.DataFrame, metadata: dict[str, Any], zone: str
) -> dict[str, Any]:
    """The chart response for bars and actions of `adjusted`."""
    result: dict[str, Any] = {"meta": metadata}
    if bars.is_empty():
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    else:
        result["timestamp"] = [_opening(day, zone) for day in bars["session"]]
        result["indicators"] = {
            "quote": [{name: bars[name].to_list() for name in (*PRICES, "volume")}],
            "adjclose": [{"adjclose": bars["close"].to_list()}],
        }
    events = _events(actions, zone)
    if events:
        result["events"] = events
    return {"chart": {"result": [result], "error": None}}


def without_bars(body: dict[str, Any]) -> dict[str, Any]:
    """The chart response without trades."""
    (result,) = body["chart"]["result"]
    result.pop("timestamp", None)
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return body


def with_a_row_too_few(body: dict[str, Any]) -> dict[str, Any]:
    """The chart response with one close too few, so that prices cannot be matched to sessions."""
    body["chart"]["result"][0]["indicators"]["quote"][0]["close"].pop()
    return body


def search_results(symbols: Sequence[str]) -> dict[str, Any]:
    """The response to a search."""
    quotes = [
        {"symbol": s, "shortname": s, "exchange": "NMS", "quoteType": "EQUITY"} for s in symbols
    ]
    return {"count": len(quotes), "quotes": quotes, "news": [], "nav": [], "lists": []}


def metadata(
    symbol: str, bars: pl.DataFrame, sessions: Sessions, *, now: datetime, seen: datetime
) -> dict[str, Any]:
    """Metadata of a symbol; the last row of `bars` is the current session."""
    today = local_date(now, sessions)
    period = sessions.between(today, today + timedelta(days=10))[0]
    opening = _opening(period, sessions.timezone)
    closing = int(sessions.close_time(period).timestamp())
    hours = {"timezone": "EST", "gmtoffset": -18000, "start": opening, "end": closing}
    at = min(seen, sessions.close_time(bars["session"][-1]))
    return {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "firstTradeDate": _opening(bars["session"][0], sessions.timezone),
        "regularMarketTime": int(at.timestamp()),
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": sessions.timezone,
        "regularMarketPrice": round(bars["close"][-1], 4),
        "regularMarketVolume": bars["volume"][-1],
        "chartPreviousClose": round(bars["close"][-2], 4) if bars.height > 1 else None,
        "priceHint": 2,
        "currentTradingPeriod": {"regular": hours},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": RANGES,
    }


def local_date(instant: datetime, sessions: Sessions) -> date:
    """The date of an instant at the exchange."""
    return instant.astimezone(ZoneInfo(sessions.timezone)).date()


def _events(actions: pl.DataFrame, zone: str) -> dict[str, Any]:
    dividends, splits = {}, {}
    for session, split, dividend in actions.select("session", "split_factor", "dividend").rows():
        at = _opening(session, zone)
        if dividend:
            dividends[str(at)] = {"amount": dividend, "date": at}
        if split != 1.0:
            ratio = Fraction(split).limit_denominator(1000)
            splits[str(at)] = {
                "date": at,
                "numerator": float(ratio.numerator),
                "denominator": float(ratio.denominator),
                "splitRatio": f"{ratio.numerator}:{ratio.denominator}",
            }
    events = {"dividends": dividends, "splits": splits}
    return {name: rows for name, rows in events.items() if rows}


def _opening(session: date, zone: str) -> int:
    midnight = datetime.combine(session, datetime.min.time(), ZoneInfo(zone))
    return int((midnight + _OPENS).timestamp())
