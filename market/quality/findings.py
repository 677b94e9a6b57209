"""Detection of suspicious sessions in stored bars: one function per kind of finding.

`market.quality.report` defines the kinds and combines the findings.
"""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

from market.bars.contract import PRICES
from market.calendars.sessions import Sessions
from market.quality.moves import index_sessions

Kind = Literal["level_change", "unlisted_split", "missing", "stuck", "outlier", "zero_volume"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Identical bars are always a data error. Identical closes are common for coarse price ticks.
STUCK_BARS = 5
STUCK_CLOSES = 10
# In the sample, 6 of 12,044 moves are larger; the fall of AAPL on 2000-09-29 is the second largest.
OUTLIER = 10.0
# A smaller usual move means that the price hardly ever changed, not that it was calm.
LEAST_USUAL_MOVE = 1e-3

FINDING_SCHEMA = pl.Schema(
    {
        "kind": pl.String(),
        "ticker": pl.String(),
        "first_session": pl.Date(),
        "last_session": pl.Date(),
        "sessions": pl.Int64(),
        "size": pl.Float64(),
        "detail": pl.String(),
    }
)
_RUN = (
    pl.first("ticker"),
    pl.first("session").alias("first_session"),
    pl.last("session").alias("last_session"),
    pl.len().cast(pl.Int64).alias("sessions"),
)


def find_level_changes(moves: pl.DataFrame) -> pl.DataFrame:
    """Return the sessions with an adjusted close of about 100 times, or 1 % of, the one before.

    Parameters
    ----------
    moves
        Result of `market.quality.moves.add_moves`.
    """
    before = pl.col("close", "source").shift(1).over("ticker").name.suffix("_before")
    source, source_before = (pl.col(n).fill_null("unknown") for n in ("source", "source_before"))
    sources = pl.format(", {} after {}", source, source_before)
    detail = pl.concat_str(
        pl.format("close {} after {}", format_price("close"), format_price("close_before")),
        pl.when(source != source_before).then(sources).otherwise(pl.lit("")),
        pl.when(pl.col("split_factor").is_null())
        .then(pl.lit(", split unknown"))
        .otherwise(pl.lit("")),
    )
    size = pl.max_horizontal(pl.col("factor"), 1 / pl.col("factor"))
    rows = moves.with_columns(before).filter("is_level_change")
    return single_sessions(rows, "level_change", size=size, detail=detail)


def find_outliers(moves: pl.DataFrame) -> pl.DataFrame:
    """Return the moves that exceed `OUTLIER` times the usual move, without level changes.

    Parameters
    ----------
    moves
        Result of `market.quality.moves.add_moves`.
    """
    usual = pl.max_horizontal("usual", pl.lit(LEAST_USUAL_MOVE))
    rows = moves.filter(pl.col("usual").is_not_null() & (pl.col("move") > OUTLIER * usual))
    percent = ((pl.col("factor") - 1) * 100).round(1)
    detail = pl.format("{} %, {} times its usual move", percent, (pl.col("move") / usual).round(1))
    return single_sessions(rows, "outlier", size=pl.col("move") / usual, detail=detail)


def single_sessions(
    rows: pl.DataFrame, kind: Kind, *, size: pl.Expr, detail: pl.Expr
) -> pl.DataFrame:
    """Return one finding of a single session for each row."""
    session = pl.col("session")
    return rows.select(
        pl.lit(kind).alias("kind"),
        "ticker",
        session.alias("first_session"),
        session.alias("last_session"),
        pl.lit(1, pl.Int64).alias("sessions"),
        size.alias("size"),
        detail.alias("detail"),
    )


def find_missing(indexed: pl.DataFrame, calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Return the sessions without a bar between two bars of a ticker.

    Parameters
    ----------
    indexed
        Result of `market.quality.moves.add_session_index`.
    """
    before = pl.col("session_index").shift(1).over("ticker")
    gaps = (
        # An update of the calendar may have removed the session of a stored bar.
        indexed.filter(pl.col("session_index").is_not_null())
        .select("ticker", "exchange", "session_index", before.alias("before"))
        .filter(pl.col("session_index") - pl.col("before") > 1)
        .with_columns(first=pl.col("before") + 1, last=pl.col("session_index") - 1)
    )
    sessions = index_sessions(calendars)
    for end in ("first", "last"):
        ends = sessions.rename({"session": f"{end}_session", "session_index": end})
        gaps = gaps.join(ends, on=["exchange", end], how="left", maintain_order="left")
    length = pl.col("last") - pl.col("first") + 1
    return _runs(gaps.with_columns(sessions=length, detail=pl.lit("")), "missing")


def find_stuck(indexed: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of sessions with the close, or the whole bar, of the previous session.

    Parameters
    ----------
    indexed
        Result of `market.quality.moves.add_session_index`.
    """
    is_equal = [pl.col(name) == pl.col(name).shift(1).over("ticker") for name in PRICES]
    rows = indexed.with_columns(
        same_close=(is_equal[-1] & pl.col("traded")).fill_null(value=False),
        same_bar=(pl.all_horizontal(is_equal) & pl.col("traded")).fill_null(value=False),
    ).with_columns((~pl.col("same_close")).cum_sum().alias("closes"))
    runs = (
        rows.filter(pl.len().over("closes") >= STUCK_BARS)
        .with_columns((~pl.col("same_bar")).cum_sum().alias("bars"))
        .with_columns(same_bars=pl.len().over("closes", "bars"))
        .group_by("closes", maintain_order=True)
        .agg(*_RUN, pl.max("same_bars"), pl.first("close"))
        .filter((pl.col("sessions") >= STUCK_CLOSES) | (pl.col("same_bars") >= STUCK_BARS))
    )
    detail = pl.format("close {}, {} identical bars", format_price("close"), "same_bars")
    return _runs(runs.with_columns(detail=detail), "stuck")


def find_zero_volume(indexed: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of sessions without volume, except for indices and currency pairs.

    Parameters
    ----------
    indexed
        Result of `market.quality.moves.add_session_index`.
    """
    run = pl.struct("ticker", "traded").rle_id().alias("run")
    runs = (
        indexed.with_columns(run)
        .filter(~pl.col("traded"))
        .group_by("run", maintain_order=True)
        .agg(*_RUN)
    )
    return _runs(runs.with_columns(detail=pl.lit("")), "zero_volume")


def _runs(runs: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    size = pl.col("sessions").cast(pl.Float64)
    return runs.with_columns(pl.lit(kind).alias("kind"), size.alias("size"))


def format_price(price: str) -> pl.Expr:
    """Return a price with six significant digits and without a trailing ``.0``."""
    return pl.col(price).round_sig_figs(6).cast(pl.String).str.strip_suffix(".0")
