"""Splits and dividends from a list of events: adding them to bars, and finding bars without them.

`market.bars.adjustments` applies the events to prices; `market.ingest` fetches them.
"""

from __future__ import annotations

from datetime import date
from math import log

import polars as pl

from market.bars.adjustments import SMALLEST_SPLIT

# The `source` of bars from local files. Their splits and dividends are never looked up elsewhere.
FILES_SOURCE = "files"
# Some sources date a split by its payment date, a few sessions away from the jump of the close.
_MAX_MISDATED_SESSIONS = 3


def find_unexplained_jump(bars: pl.DataFrame, among: pl.Series) -> date | None:
    """Return the first session with a close that jumps like a split while its split is unknown.

    A jump is a change of the close by a factor of `SMALLEST_SPLIT` or more, up or down.

    Parameters
    ----------
    bars
        Bars of one ticker, sorted by session.
    among
        The sessions to search.
    """
    jump = pl.col("close") / pl.col("close").shift(1)
    is_jump = (jump >= SMALLEST_SPLIT) | (jump <= 1 / SMALLEST_SPLIT)
    jumps = bars.filter(is_jump & _has_unknown_actions())
    first: date | None = (
        jumps.filter(pl.col("session").is_in(among.implode())).get_column("session").min()  # type: ignore[assignment]
    )
    return first


def actions_known_through(bars: pl.DataFrame) -> date | None:
    """Return the last session before the first bar with unknown splits and dividends.

    Parameters
    ----------
    bars
        All bars of one ticker, sorted by session.

    Returns
    -------
    date or None
        None if they are unknown from the first bar on, or if there are no bars.
    """
    sessions = bars.get_column("session")
    unknown: date | None = bars.filter(_has_unknown_actions()).get_column("session").min()  # type: ignore[assignment]
    known = sessions if unknown is None else sessions.filter(sessions < unknown)
    return known[-1] if len(known) else None


def split_factor_on(bars: pl.DataFrame, session: date) -> float | None:
    """Return the split factor of one session: 1 without a split, None if unknown.

    Parameters
    ----------
    bars
        Bars of one ticker; `session` must be one of them.
    """
    factor: float | None = bars.filter(session=session).get_column("split_factor").item()
    return factor


def add_actions(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Fill `split_factor` and `dividend` of bars from a list of events.

    An event is written to the bar of its ex-date, or to the next bar if that date has none. Events
    after the last bar are ignored. A split without a matching jump on its ex-date is written to the
    neighbouring session that has one, up to three sessions away. Bars without an event keep known
    values, so that an incomplete list removes nothing; otherwise they get 1 and 0.

    Bars with `adj_close`, and bars from local files, stay unchanged.

    Parameters
    ----------
    bars
        Bars of one ticker, sorted by session.
    actions
        Events of the same ticker, see `market.providers.protocol.ACTIONS_SCHEMA`.

    Returns
    -------
    pl.DataFrame
        The same bars with `split_factor` and `dividend`.
    """
    if bars.is_empty():
        return bars
    splits, dividends = _by_session(bars, actions)
    session = pl.col("session")
    split = session.replace_strict(splits, default=None, return_dtype=pl.Float64)
    dividend = session.replace_strict(dividends, default=None, return_dtype=pl.Float64)
    is_filled = _depends_on_actions()
    return bars.with_columns(
        pl.when(is_filled)
        .then(pl.coalesce(split, "split_factor", 1.0))
        .otherwise("split_factor")
        .alias("split_factor"),
        pl.when(is_filled)
        .then(pl.coalesce(dividend, "dividend", 0.0))
        .otherwise("dividend")
        .alias("dividend"),
    )


def _has_unknown_actions() -> pl.Expr:
    return pl.col("split_factor").is_null() & _depends_on_actions()


def _depends_on_actions() -> pl.Expr:
    is_from_files = pl.col("source").eq_missing(pl.lit(FILES_SOURCE))
    return pl.col("adj_close").is_null() & ~is_from_files


def _by_session(
    bars: pl.DataFrame, actions: pl.DataFrame
) -> tuple[dict[date, float], dict[date, float]]:
    """Return the split factors and the dividends by the session of their bar."""
    sessions, closes = bars.get_column("session"), bars.get_column("close").to_list()
    splits: dict[date, float] = {}
    dividends: dict[date, float] = {}
    events = actions.filter(pl.col("session").is_between(sessions[0], sessions[-1]))
    for ex_date, factor, dividend in events.select(
        "session", "split_factor", "dividend"
    ).iter_rows():
        index = int(sessions.search_sorted(ex_date))
        if dividend:
            dividends[sessions[index]] = dividends.get(sessions[index], 0.0) + dividend
        if factor != 1.0:
            session = sessions[_index_of_split(closes, index, factor)]
            splits[session] = splits.get(session, 1.0) * factor
    return splits, dividends


def _index_of_split(closes: list[float], index: int, factor: float) -> int:
    """Return the index of the bar that jumps by the split, `index` if there is none.

    A split that is too small to distinguish from an ordinary return stays at `index`.
    """
    size = abs(log(factor))
    if size < log(SMALLEST_SPLIT):
        return index
    first = max(1, index - _MAX_MISDATED_SESSIONS)
    candidates = range(first, min(len(closes), index + _MAX_MISDATED_SESSIONS + 1))
    # The absolute log return that remains once the split is removed from it.
    residuals = {n: abs(log(closes[n] / closes[n - 1] * factor)) for n in candidates}
    if not residuals or residuals.get(index, 0.0) < size / 2:
        return index
    best = min(residuals, key=lambda n: residuals[n])
    return best if residuals[best] < size / 2 else index
