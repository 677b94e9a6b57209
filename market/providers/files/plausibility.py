"""Refusal of files with rows that are no daily bars, no prices, or of several tickers."""

from __future__ import annotations

import polars as pl

from core.errors import BarsError
from market.bars.contract import PRICES
from market.calendars.sessions import Sessions
from market.providers.files.cells.numbers import text_of
from market.providers.files.layout import ROW

_SHOWN = 3
# Shorter files show no frequency.
_MIN_SESSIONS = 10
# Sessions between two rows in the median; thinly traded shares have most of their rows in a row.
_MAX_STEP = 3
# Prices of 0.1 or more in billionths, in steps of a hundredth of a cent.
_FIXED_POINT = 10**8
_STEP = 10**5


def refuse_other_frequency(bars: pl.DataFrame, sessions: Sessions, where: str) -> None:
    """Raise `BarsError` if the rows of one ticker are not one per session.

    Equal rows of one session count once. A few sessions with several rows are no matter of
    frequency; validation decides on them.

    Parameters
    ----------
    bars
        Bars of one ticker in any order.
    sessions
        Calendar of the ticker's exchange.
    where
        Name of the file for errors.
    """
    values = ["session", *PRICES, "volume"]
    counts = bars.drop_nulls("session").unique(values).group_by("session").len().sort("session")
    if counts.height < _MIN_SESSIONS:
        return
    if counts.select(pl.col("len").median()).item() > 1:
        session, n_rows = counts.sort("len").row(-1)
        msg = (
            f"{where}: most sessions have several different rows, such as {n_rows} on {session}. "
            f"If these are intraday bars, download daily ones. If they belong to several tickers, "
            f"name the column of the tickers in STOCKCAST_COLUMNS (ticker=Your Name)."
        )
        raise BarsError(msg)
    step = _median_step(counts.get_column("session"), sessions)
    if step > _MAX_STEP:
        msg = (
            f"{where}: the rows are {step:g} sessions apart in the median, so they are weekly or "
            f"monthly bars; only daily bars are supported: download the daily file."
        )
        raise BarsError(msg)


def refuse_fixed_point(bars: pl.DataFrame, where: str) -> None:
    """Raise `BarsError` if prices are whole numbers of billionths, as those of Databento.

    Parameters
    ----------
    bars, where
        As in `refuse_other_frequency`.
    """
    prices = bars.select(PRICES).unpivot().get_column("value").drop_nulls()
    if len(prices) and float(prices.min()) >= _FIXED_POINT and (prices % _STEP == 0).all():  # type: ignore[arg-type]
        msg = (
            f"{where}: prices such as {prices[0]:.0f} are fixed-point numbers of billionths; "
            f"export them as decimal numbers (Databento: pretty_px)."
        )
        raise BarsError(msg)


def refuse_other_periods(table: pl.DataFrame, column: str, where: str) -> None:
    """Raise `BarsError` if a column of periods has another one than D, for daily bars."""
    periods = table.get_column(column).cast(pl.String)
    other = table.filter(periods.str.to_uppercase() != "D")
    if not other.is_empty():
        row, period = other.select(ROW, column).row(0)
        msg = (
            f"{where}, row {row}, column {column!r}: expected D for daily bars, got {period!r}; "
            f"only daily bars are supported: download the daily file."
        )
        raise BarsError(msg)


def refuse_other_currencies(table: pl.DataFrame, column: str, ticker: str, where: str) -> None:
    """Raise `BarsError` if the rows of one ticker are in several currencies."""
    currencies = text_of(table.get_column(column)).drop_nulls().unique().sort()
    if len(currencies) > 1:
        msg = (
            f"{where}, column {column!r}: the rows of {ticker} are in several currencies "
            f"({', '.join(currencies[:_SHOWN])}); convert them to one."
        )
        raise BarsError(msg)


def _median_step(dates: pl.Series, sessions: Sessions) -> float:
    """Return the median number of sessions from one date to the next."""
    calendar = sessions.between(dates[0], dates[-1])
    return float(calendar.search_sorted(dates).cast(pl.Int64).diff().median() or 0)  # type: ignore[arg-type]
