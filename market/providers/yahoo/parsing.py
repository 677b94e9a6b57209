"""Yahoo's rows -> bars as traded, and quotes. Asking for them is `yahoo_calls`."""

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

# Yahoo's prices are 32-bit floats: this much (relative) is lost, and a little in our arithmetic.
_PRICE_ERROR = 6e-8
# Its dividends have six decimals.
_DIVIDEND_ERROR = 0.5e-6
_MOST_DECIMALS = 8
# Only splits of 3 for 2 and more stand out from what happens over night anyway.
_CLEAR_SPLIT = 1.5
_SAME = 1.1
# How long after a close a price from before it may be one that is merely late.
_LATE = timedelta(minutes=30)
_RECENT = timedelta(days=7)
_Numbers = NDArray[np.float64]


def to_traded_bars(
    table: pl.DataFrame, about: Mapping[str, Any], *, ticker: str, source: str, now: datetime
) -> pl.DataFrame:
    """Return Yahoo's rows as bars as traded; the one of a session that goes on is left out.

    Yahoo divides prices and dividends, and multiplies volume, by all later splits; this undoes it.
    The result is the number with the fewest decimals that Yahoo may have meant: 28.19 where it
    sends 7.0475001335144043 before a split of 4 for 1. `adj_close` is null: at the next event, a
    stored one would be wrong.

    Parameters
    ----------
    table
        Rows of `daily_bars`, up to the present: splits are undone that happened since.
    about
        What Yahoo told with them.

    Raises
    ------
    BarsError
        When a split is listed that prices may not be adjusted for yet.
    """
    rows = _without_present_session(table, about, now)
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
    about: Mapping[str, Any], *, ticker: str, source: str, requested_at: datetime
) -> Quote:
    """Return what Yahoo tells about a ticker as a quote.

    Raises
    ------
    BarsError
        When it tells no price, or not of when it is.
    """
    price, at = about.get("regularMarketPrice"), about.get("regularMarketTime")
    if price is None or not isinstance(at, datetime):
        msg = f"{source}, quote of {ticker}: it has no price; ask again when the exchange trades."
        raise BarsError(msg)
    previous = about.get("previousClose", about.get("chartPreviousClose"))
    volume = about.get("regularMarketVolume")
    return Quote(
        ticker=ticker,
        price=float(price),
        previous_close=None if previous is None else float(previous),
        volume=None if volume is None else int(volume),
        session=at.date(),
        requested_at=requested_at,
        source=source,
    )


def _without_present_session(
    table: pl.DataFrame, about: Mapping[str, Any], now: datetime
) -> pl.DataFrame:
    """Leave out the bar of a session whose last trade Yahoo does not have yet."""
    try:
        period, at = about["currentTradingPeriod"]["regular"], about["regularMarketTime"]
        is_unfinished = period["start"] <= at < period["end"] and now < period["end"] + _LATE
    except (LookupError, TypeError):
        # Not told, as for some funds: validation refuses sessions that have not closed.
        return table
    return table.filter(pl.col("session") < at.date()) if is_unfinished else table


def _check_splits(table: pl.DataFrame, ticker: str, now: datetime) -> None:
    """Refuse rows where Yahoo lists a split but has not adjusted prices for it, as it happens."""
    gap = pl.col("close").shift(1) / pl.coalesce("open", "close")
    odd = (gap / pl.col("split")).log().abs() < pl.lit(_SAME).log()
    clear = (pl.col("split") >= _CLEAR_SPLIT) | (pl.col("split") <= 1 / _CLEAR_SPLIT)
    is_ahead = pl.col("close").is_not_null().cum_sum(reverse=True) == 0
    is_recent = pl.col("session") >= (now - _RECENT).date()
    unclear = table.filter((pl.col("split") > 0) & ((clear & odd) | (is_ahead & is_recent)))
    if not unclear.is_empty():
        session, split = unclear.select("session", "split").row(-1)
        msg = (
            f"Yahoo lists a split of {split:g} for 1 of {ticker} on {session}, but does not seem "
            f"to have adjusted earlier prices for it; ask again in a day, or another provider."
        )
        raise BarsError(msg)


def _shortest(values: _Numbers, errors: _Numbers) -> _Numbers:
    """Return the numbers with the fewest decimals that are no further off than the errors."""
    shortest = values
    for n in reversed(range(_MOST_DECIMALS + 1)):
        # In Polars, dividing by a constant is multiplying by its inverse: 0.07 would not come out.
        numbers = np.rint(values * 10.0**n) / 10.0**n
        fits = (np.abs(numbers - values) <= errors) & ((numbers > 0) == (values > 0))
        shortest = np.where(fits, numbers, shortest)
    return shortest
