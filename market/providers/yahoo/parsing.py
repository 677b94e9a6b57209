"""Conversion of Yahoo's split-adjusted rows into bars as traded, and of metadata into quotes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from core.errors import BarsError
from market.bars.contract import PRICES, conform_bars
from market.providers.protocol import Quote

# Relative error of Yahoo's prices, which are 32-bit floats, and of our arithmetic.
_PRICE_ERROR = 6e-8
# Dividends have six decimals.
_DIVIDEND_ERROR = 0.5e-6
_MAX_DECIMALS = 8
# A split of at least 3 for 2 is distinguishable from an overnight return.
_CLEAR_SPLIT = 1.5
# Largest ratio of a price gap to a split factor at which the split explains the gap.
_SAME = 1.1
# Yahoo may publish the last trade of a session this late after the close.
_LATE = timedelta(minutes=30)
_RECENT = timedelta(days=7)
_Numbers = NDArray[np.float64]


def to_traded_bars(
    table: pl.DataFrame, metadata: Mapping[str, Any], *, ticker: str, source: str, now: datetime
) -> pl.DataFrame:
    """Return Yahoo's rows as bars as traded, without the bar of a session in progress.

    Yahoo divides prices and dividends by the factors of all later splits and multiplies volume by
    them. This function reverses the adjustment and rounds each price to the fewest decimals within
    Yahoo's precision: 28.19 for 7.0475001335144043 before a split of 4 for 1. `adj_close` is null,
    because a stored value would be outdated after the next split or dividend.

    Parameters
    ----------
    table
        Rows of `market.providers.yahoo.client.YahooClient.daily_bars` up to now, so that they
        include all later splits.
    metadata
        Metadata of the same response.
    now
        Current time in UTC.

    Raises
    ------
    BarsError
        If a split is listed, but the prices before it may not be adjusted yet.
    """
    rows = _without_current_session(table, metadata, now)
    _check_splits(rows, ticker, now)
    split = pl.when(pl.col("split") > 0).then("split").otherwise(1.0)
    rows = rows.with_columns(split_factor=split).with_columns(
        later=pl.col("split_factor").shift(-1, fill_value=1.0).cum_prod(reverse=True)
    )
    later = rows.get_column("later").to_numpy()
    columns = {}
    for name in PRICES:
        price = rows.get_column(name).to_numpy() * later
        columns[name] = _shortest(price, price * _PRICE_ERROR)
    dividend = rows.get_column("dividend").to_numpy() * later
    columns["dividend"] = _shortest(dividend, later * _DIVIDEND_ERROR)
    return conform_bars(
        rows.with_columns(
            (pl.col("volume") / pl.col("later")).round().cast(pl.Int64),
            *(pl.Series(name, values) for name, values in columns.items()),
            ticker=pl.lit(ticker),
            source=pl.lit(source),
        )
    )


def to_quote(
    metadata: Mapping[str, Any], *, ticker: str, source: str, requested_at: datetime
) -> Quote:
    """Return the metadata of a ticker as a quote.

    Raises
    ------
    BarsError
        If the price or its time is missing.
    """
    price, at = metadata.get("regularMarketPrice"), metadata.get("regularMarketTime")
    if price is None or not isinstance(at, datetime):
        msg = (
            f"{source}, quote of {ticker}: the response has no price; "
            f"try again when the exchange is open."
        )
        raise BarsError(msg)
    previous = metadata.get("previousClose", metadata.get("chartPreviousClose"))
    volume = metadata.get("regularMarketVolume")
    return Quote(
        ticker=ticker,
        price=float(price),
        previous_close=None if previous is None else float(previous),
        volume=None if volume is None else int(volume),
        session=at.date(),
        requested_at=requested_at,
        source=source,
    )


def _without_current_session(
    table: pl.DataFrame, metadata: Mapping[str, Any], now: datetime
) -> pl.DataFrame:
    """Drop the bar of a session if Yahoo has not published its last trade yet."""
    try:
        period, at = metadata["currentTradingPeriod"]["regular"], metadata["regularMarketTime"]
        is_unfinished = period["start"] <= at < period["end"] and now < period["end"] + _LATE
    except (LookupError, TypeError):
        # Some funds lack these fields. Validation rejects sessions that have not closed.
        return table
    return table.filter(pl.col("session") < at.date()) if is_unfinished else table


def _check_splits(table: pl.DataFrame, ticker: str, now: datetime) -> None:
    """Raise if Yahoo lists a split but has not adjusted earlier prices, which happens at times."""
    gap = pl.col("close").shift(1) / pl.coalesce("open", "close")
    explained = (gap / pl.col("split")).log().abs() < pl.lit(_SAME).log()
    clear = (pl.col("split") >= _CLEAR_SPLIT) | (pl.col("split") <= 1 / _CLEAR_SPLIT)
    is_ahead = pl.col("close").is_not_null().cum_sum(reverse=True) == 0
    is_recent = pl.col("session") >= (now - _RECENT).date()
    unclear = table.filter((pl.col("split") > 0) & ((clear & explained) | (is_ahead & is_recent)))
    if not unclear.is_empty():
        session, split = unclear.select("session", "split").row(-1)
        msg = (
            f"Yahoo lists a split of {split:g} for 1 of {ticker} on {session}, but earlier prices "
            f"seem not to be adjusted for it; try again in a day, or use another provider."
        )
        raise BarsError(msg)


def _shortest(values: _Numbers, errors: _Numbers) -> _Numbers:
    """Round each value to the fewest decimals at which it changes by at most its error."""
    shortest = values
    for n in reversed(range(_MAX_DECIMALS + 1)):
        # NumPy, because Polars multiplies by the inverse of a constant, which misses 0.07.
        numbers = np.rint(values * 10.0**n) / 10.0**n
        fits = (np.abs(numbers - values) <= errors) & ((numbers > 0) == (values > 0))
        shortest = np.where(fits, numbers, shortest)
    return shortest
