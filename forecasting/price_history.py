"""Closes of the last sessions of every ticker, published with the snapshot for charts and analysis.

Needs only NumPy, because every serving process imports the module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

# About one year.
SESSIONS = 260
# Days since 1970-01-01, and the close. A missing session has the close NaN.
PRICE = np.dtype([("session", "<i4"), ("close", "<f4")])


@dataclass(frozen=True, eq=False)
class PriceSeries:
    """Closes of one ticker.

    Attributes
    ----------
    sessions
        datetime64[D], ascending.
    closes
        float64, adjusted for splits and dividends, on the level of the newest close as traded.
    """

    sessions: NDArray[np.datetime64]
    closes: NDArray[np.float64]


def pack_prices(adjusted: pl.DataFrame, newest: pl.DataFrame) -> NDArray[Any]:
    """Return the last closes of each ticker.

    Parameters
    ----------
    adjusted
        `ticker`, `session` and adjusted `close`, sorted by these keys.
    newest
        `ticker`, `session` and `close` as traded: one row for each ticker of the snapshot.

    Returns
    -------
    ndarray
        `PRICE` (tickers, `SESSIONS`), padded in front.
    """
    import polars as pl  # noqa: PLC0415  the pipeline's, not the service's

    last = newest.select("ticker", as_of="session", as_traded="close")
    rows = (
        adjusted.join(last, on="ticker", maintain_order="left")
        .filter(pl.col("session") <= pl.col("as_of"))
        .group_by("ticker", maintain_order=True)
        .tail(SESSIONS)
        .with_columns(
            pl.col("session").to_physical(),
            pl.col("close") * (pl.col("as_traded") / pl.col("close").last()).over("ticker"),
        )
    )
    prices = np.zeros((newest.height, SESSIONS), PRICE)
    prices["close"] = np.nan
    position = {ticker: place for place, ticker in enumerate(newest["ticker"])}
    for (ticker,), series in rows.partition_by("ticker", as_dict=True).items():
        row = prices[position[ticker], -series.height :]
        row["session"], row["close"] = series["session"].to_numpy(), series["close"].to_numpy()
    return prices


def unpack_prices(prices: NDArray[Any]) -> PriceSeries:
    """Return the closes in one row of `pack_prices`, without the padding."""
    known = prices[np.isfinite(prices["close"])]
    return PriceSeries(
        sessions=known["session"].astype("datetime64[D]"), closes=known["close"].astype(np.float64)
    )
