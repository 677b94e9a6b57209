"""Tickers of which validation refused too many rows.

`market.bars.contract` decides which rows are refused, and `market.bars.quarantine` stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from market.bars.contract import IN_FUTURE

# A ticker with a short history and a few invalid rows must not be left out.
ALLOWED_ROWS = 5
_OTHER_CALENDAR = "has no session on that date"


def count_refused(refused: pl.DataFrame, n_bars: Mapping[str, int]) -> pl.DataFrame:
    """Count the refused rows of each ticker, the largest share first.

    Parameters
    ----------
    refused
        Refused rows, `market.bars.quarantine.QUARANTINE_SCHEMA`.
    n_bars
        Number of stored bars by ticker; 0 if a ticker is missing.

    Returns
    -------
    polars.DataFrame
        `ticker`, `bars`, `refused`, `refused_share` (from 0 to 1), the commonest `reason` and the
        number `reason_rows` of its rows.
    """
    schema = {"ticker": pl.String(), "bars": pl.Int64()}
    stored = pl.DataFrame([*n_bars.items()], schema=schema, orient="row")
    reasons = refused.group_by("ticker", "reason").len("reason_rows")
    return (
        reasons.sort("reason_rows", "reason", descending=[True, False])
        .group_by("ticker", maintain_order=True)
        .agg(pl.sum("reason_rows").alias("refused"), pl.first("reason"), pl.first("reason_rows"))
        .join(stored, on="ticker", how="left", maintain_order="left")
        .with_columns(pl.col("bars").fill_null(0))
        .with_columns(refused_share=pl.col("refused") / (pl.col("bars") + pl.col("refused")))
        .select("ticker", "bars", "refused", "refused_share", "reason", "reason_rows")
        .sort("refused_share", "ticker", descending=[True, False])
    )


def find_refused(
    counts: pl.DataFrame, path_of: Callable[[str], Path], *, limit: float
) -> dict[str, str]:
    """Return the tickers that must not be used because of refused rows, with the reasons.

    These are the tickers with more than `ALLOWED_ROWS` refused rows and a share above `limit`:
    features over sessions that are missing would be wrong.

    Parameters
    ----------
    counts
        Result of `count_refused`.
    path_of
        Returns the quarantine file of a ticker.
    """
    too_many = counts.filter((pl.col("refused_share") > limit) & (pl.col("refused") > ALLOWED_ROWS))
    return {row["ticker"]: _describe(row, path_of) for row in too_many.iter_rows(named=True)}


def _describe(row: Mapping[str, object], path_of: Callable[[str], Path]) -> str:
    n_rows = int(str(row["bars"])) + int(str(row["refused"]))
    remedy = "correct these rows at their source, or raise STOCKCAST_REFUSED_SHARE"
    if IN_FUTURE in str(row["reason"]):
        remedy = "set the clock of this machine, or remove these rows at their source"
    elif _OTHER_CALENDAR in str(row["reason"]):
        remedy = (
            "give the ticker the suffix of its exchange, set STOCKCAST_EXCHANGE to its calendar "
            "(24/7 and 24/5 are calendars too), or remove these rows at their source"
        )
    return (
        f"{row['refused']:,} of {n_rows:,} rows ({row['refused_share']:.2%}) were refused, most "
        f"often because {row['reason']} ({row['reason_rows']:,} rows); see "
        f"{path_of(str(row['ticker']))}; {remedy}."
    )
