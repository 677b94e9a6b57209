"""Splits and dividends that are told apart from bars -> columns of the bars; jumps that need them.

Asking for them is `ingest`; what they do to prices is `adjustments`.
"""

from __future__ import annotations

from datetime import date
from math import log

import polars as pl

from market.bars.adjustments import SMALLEST_SPLIT

# The `source` of bars from your own files, which count as they stand.
FILES_SOURCE = "files"
# How many sessions a split may be dated wrongly: some sources give its day of payment.
_MISDATED = 3


def find_unexplained_jump(bars: pl.DataFrame, among: pl.Series) -> date | None:
    """Return the first session whose close jumps like a split while nobody said whether it is one.

    A jump is a factor of `SMALLEST_SPLIT` or more against the close before, either way.

    Parameters
    ----------
    bars
        Bars of one ticker, sorted by session.
    among
        The sessions to look at.
    """
    jump = pl.col("close") / pl.col("close").shift(1)
    is_jump = (jump >= SMALLEST_SPLIT) | (jump <= 1 / SMALLEST_SPLIT)
    found = bars.filter(is_jump & _unknown()).filter(pl.col("session").is_in(among.implode()))
    first: date | None = found.get_column("session").min()  # type: ignore[assignment]
    return first


def actions_known_through(bars: pl.DataFrame) -> date | None:
    """Return the last session up to which splits and dividends are known, None when not at all.

    Parameters
    ----------
    bars
        All bars of one ticker, sorted by session.
    """
    sessions = bars.get_column("session")
    unknown: date | None = bars.filter(_unknown()).get_column("session").min()  # type: ignore[assignment]
    known = sessions if unknown is None else sessions.filter(sessions < unknown)
    return known[-1] if len(known) else None


def split_factor_on(bars: pl.DataFrame, session: date) -> float | None:
    """Return the split of a session of one ticker's bars: 1 for none, None when not known."""
    factor: float | None = bars.filter(session=session).get_column("split_factor").item()
    return factor


def add_actions(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Write splits and dividends into the bars of their ex-dates, and 1 and 0 where nothing was.

    An ex-date without a bar goes to the next bar; what comes after the last bar waits until it has
    happened. A split whose session shows no such jump is taken to be misdated when one of the
    sessions around does show it. An event that is known already stays when `actions` do not have
    it: a source that tells few events takes none away. Bars with `adj_close`, and those of your
    files, count as they stand and are left alone.

    Parameters
    ----------
    bars
        Bars of one ticker, sorted by session.
    actions
        `ACTIONS_SCHEMA`, of the same ticker.

    Returns
    -------
    pl.DataFrame
        The same bars with `split_factor` and `dividend`.
    """
    if bars.is_empty():
        return bars
    splits, dividends = _placed(bars, actions)
    told = bars.select("session").with_columns(
        pl.col("session").replace_strict(splits, default=None, return_dtype=pl.Float64).alias("s"),
        pl.col("session")
        .replace_strict(dividends, default=None, return_dtype=pl.Float64)
        .alias("d"),
    )
    filled = bars.with_columns(
        pl.coalesce(told.get_column("s"), "split_factor", 1.0).alias("split_factor"),
        pl.coalesce(told.get_column("d"), "dividend", 0.0).alias("dividend"),
    )
    return bars.with_columns(
        pl.when(_as_traded()).then(filled.get_column(name)).otherwise(name).alias(name)
        for name in ("split_factor", "dividend")
    )


def _unknown() -> pl.Expr:
    return pl.col("split_factor").is_null() & _as_traded()


def _as_traded() -> pl.Expr:
    is_of_files = pl.col("source").eq_missing(pl.lit(FILES_SOURCE))
    return pl.col("adj_close").is_null() & ~is_of_files


def _placed(
    bars: pl.DataFrame, actions: pl.DataFrame
) -> tuple[dict[date, float], dict[date, float]]:
    """Return the splits and the dividends by the session of the bar that they belong to."""
    sessions, closes = bars.get_column("session"), bars.get_column("close").to_list()
    splits: dict[date, float] = {}
    dividends: dict[date, float] = {}
    happened = actions.filter(pl.col("session").is_between(sessions[0], sessions[-1]))
    for ex_date, factor, dividend in happened.select(
        "session", "split_factor", "dividend"
    ).iter_rows():
        at = int(sessions.search_sorted(ex_date))
        if dividend:
            dividends[sessions[at]] = dividends.get(sessions[at], 0.0) + dividend
        if factor != 1.0:
            session = sessions[_session_of_split(closes, at, factor)]
            splits[session] = splits.get(session, 1.0) * factor
    return splits, dividends


def _session_of_split(closes: list[float], at: int, factor: float) -> int:
    """Return where a split shows: at its ex-date, else near it, else at its ex-date all the same.

    A split too small to tell from a day's return stays where it is.
    """
    size = abs(log(factor))
    if size < log(SMALLEST_SPLIT):
        return at
    around = range(max(1, at - _MISDATED), min(len(closes), at + _MISDATED + 1))
    rest = {n: abs(log(closes[n] / closes[n - 1] * factor)) for n in around}
    if not rest or rest.get(at, 0.0) < size / 2:
        return at
    best = min(rest, key=lambda n: rest[n])
    return best if rest[best] < size / 2 else at
