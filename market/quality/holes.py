"""Long holes in the history of a ticker, which may belong to two companies."""

from __future__ import annotations

import polars as pl

# Days between two bars. Exchanges remove shares that are suspended for longer, and symbols of
# companies that are gone are given to others.
MAX_HOLE = 365


def bars_after_holes(bars: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the bars of each ticker after its last long hole, and a sentence for each such ticker.

    A hole is long if two consecutive bars are more than `MAX_HOLE` days apart. A return across it
    spans more than one session, and the bars before it may be those of another company.

    Parameters
    ----------
    bars
        Validated bars of any tickers, sorted by ticker and session.
    """
    before = pl.col("session").shift(1).over("ticker")
    holes = (
        bars.select("ticker", "session", before=before)
        .filter((pl.col("session") - pl.col("before")).dt.total_days() > MAX_HOLE)
        .group_by("ticker", maintain_order=True)
        .last()
    )
    if holes.is_empty():
        return bars, {}
    since = dict(holes.select("ticker", "session").iter_rows())
    first = pl.col("ticker").replace_strict(since, default=None, return_dtype=pl.Date)
    reasons = {
        ticker: f"its bars up to {last} are not used, because the next one is on {session}; the "
        f"symbol may have been that of another company."
        for ticker, session, last in holes.iter_rows()
    }
    return bars.filter((pl.col("session") >= first).fill_null(value=True)), reasons
