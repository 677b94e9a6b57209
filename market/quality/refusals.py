"""Tickers of which validation refused too many rows.

`market.bars.contract` decides which rows are refused, and `market.bars.quarantine` stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl

from market.bars.contract import IN_FUTURE
from market.calendars.sessions import Sessions

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


def find_date_shift(refused: pl.DataFrame, stored: pl.Series, sessions: Sessions) -> str | None:
    """Return the shift that the dates of one ticker show: "late", "early", or None.

    The dates are one day late if most refused rows are on days without a session, and the days
    before all refused and stored dates are sessions, as with closing times stored as the next
    midnight. They are early if the same holds for the days after.

    Parameters
    ----------
    refused
        Refused rows of the ticker, `market.bars.quarantine.QUARANTINE_SCHEMA`.
    stored
        Dates of the stored bars of the ticker.
    """
    closed = refused.filter(pl.col("reason").str.contains(_OTHER_CALENDAR, literal=True))
    if 2 * closed.height <= refused.height:
        return None
    dates = pl.concat([closed.get_column("session"), stored])
    open_dates = sessions.between(sessions.first, sessions.last).implode()
    for shift, name in ((timedelta(days=-1), "late"), (timedelta(days=1), "early")):
        if (dates + shift).is_in(open_dates).all():
            return name
    return None


def find_refused(
    counts: pl.DataFrame,
    path_of: Callable[[str], Path],
    shifts: Mapping[str, str | None],
    *,
    limit: float,
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
    shifts
        Results of `find_date_shift` by ticker; None if a ticker is missing.
    """
    too_many = counts.filter((pl.col("refused_share") > limit) & (pl.col("refused") > ALLOWED_ROWS))
    return {
        row["ticker"]: _describe(row, path_of, shifts.get(row["ticker"]))
        for row in too_many.iter_rows(named=True)
    }


def _describe(row: Mapping[str, object], path_of: Callable[[str], Path], shift: str | None) -> str:
    n_rows = int(str(row["bars"])) + int(str(row["refused"]))
    remedy = "correct these rows at their source, or raise STOCKCAST_REFUSED_SHARE"
    if IN_FUTURE in str(row["reason"]):
        remedy = "set the clock of this machine, or remove these rows at their source"
    elif shift is not None:
        remedy = (
            f"the dates look one day {shift}: correct them at their source, or set the exchange if "
            f"they are right (the suffix of the ticker, or STOCKCAST_EXCHANGE)"
        )
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
