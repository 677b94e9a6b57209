"""Each way in which stored bars can look wrong: one function a kind, placed bars -> findings.

What they mean is said in `market.quality.report`, which puts them together.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from market.bars.adjustments import adjust_bars
from market.bars.contract import PRICES
from market.calendars.sessions import Sessions

Kind = Literal["level_change", "missing", "stuck", "outlier", "zero_volume"]
KINDS: tuple[Kind, ...] = ("level_change", "missing", "stuck", "outlier", "zero_volume")

# A hundred pence are a pound; the ordinary move of the same session comes on top.
LEVEL_CHANGE = (80.0, 125.0)
# Whole bars repeat only by a fault; a close alone may stand still at a coarse tick.
STUCK_BARS = 5
STUCK_CLOSES = 10
# On the sample: 6 of 12,044 moves, AAPL's fall of 2000-09-29 the second largest.
OUTLIER = 10.0
HALF_LIFE = 21
# Indices and currency pairs, as Yahoo and others write them.
WITHOUT_VOLUME = r"^\^|=X$"
# A smaller usual move says that prices hardly ever changed, not that they were calm.
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
_SPAN = (
    pl.first("ticker"),
    pl.first("session").alias("first_session"),
    pl.last("session").alias("last_session"),
    pl.len().cast(pl.Int64).alias("sessions"),
)


def add_session_index(bars: pl.DataFrame, calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Add the exchange, the session's place in its calendar, and whether shares were traded."""
    exchanges = {ticker: sessions.exchange for ticker, sessions in calendars.items()}
    exchange = pl.col("ticker").replace_strict(exchanges, return_dtype=pl.String)
    has_volume = ~pl.col("ticker").str.contains(WITHOUT_VOLUME)
    return (
        bars.with_columns(exchange.alias("exchange"), has_volume.alias("has_volume"))
        .join(
            session_index(calendars), on=["exchange", "session"], how="left", maintain_order="left"
        )
        .with_columns(traded=(pl.col("volume") > 0) | ~pl.col("has_volume"))
    )


def session_index(calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Return `exchange`, `session` and its `place`, counted from 0, of every session."""
    by_exchange = {sessions.exchange: sessions for sessions in calendars.values()}
    schema = pl.Schema({"exchange": pl.String(), "session": pl.Date()})
    frames = [
        sessions.between(sessions.first, sessions.last)
        .to_frame()
        .select(pl.lit(exchange).alias("exchange"), "session")
        for exchange, sessions in by_exchange.items()
    ]
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("exchange")
    return pl.concat([schema.to_frame(), *frames]).with_columns(place.alias("place"))


def add_moves(placed: pl.DataFrame) -> pl.DataFrame:
    """Add the factor by which the adjusted close changed, and the move beside the usual one."""
    adjusted = adjust_bars(placed)["close"].alias("adjusted")
    low, high = LEVEL_CHANGE
    factor = pl.col("adjusted") / pl.col("adjusted").shift(1).over("ticker")
    size = pl.max_horizontal(pl.col("factor"), 1 / pl.col("factor"))
    elapsed = pl.col("place").diff().over("ticker").fill_null(1)
    move = pl.col("factor").log().abs() / elapsed.cast(pl.Float64).sqrt()
    usual = pl.col("move").ewm_mean(half_life=HALF_LIFE, min_samples=HALF_LIFE).shift(1)
    return (
        placed.with_columns(adjusted)
        .with_columns(factor.alias("factor"))
        .with_columns(is_level_change=size.is_between(low, high))
        .with_columns(pl.when(~pl.col("is_level_change")).then(move).alias("move"))
        .with_columns(usual.over("ticker").alias("usual"))
    )


def find_level_changes(moves: pl.DataFrame) -> pl.DataFrame:
    """Return the sessions whose adjusted close is about 100 times the last one, or a hundredth."""
    before = pl.col("close", "source").shift(1).over("ticker").name.suffix("_before")
    source, source_before = (pl.col(n).fill_null("unknown") for n in ("source", "source_before"))
    joint = pl.format(", {} after {}", source, source_before)
    detail = pl.concat_str(
        pl.format("close {} after {}", _written("close"), _written("close_before")),
        pl.when(source != source_before).then(joint).otherwise(pl.lit("")),
        pl.when(pl.col("split_factor").is_null())
        .then(pl.lit(", whether it was split is not known"))
        .otherwise(pl.lit("")),
    )
    size = pl.max_horizontal(pl.col("factor"), 1 / pl.col("factor"))
    found = moves.with_columns(before).filter("is_level_change")
    return _single_sessions(found, "level_change", size=size, detail=detail)


def find_outliers(moves: pl.DataFrame) -> pl.DataFrame:
    """Return the moves that are many times the usual one, level changes apart."""
    usual = pl.max_horizontal("usual", pl.lit(LEAST_USUAL_MOVE))
    found = moves.filter(pl.col("usual").is_not_null() & (pl.col("move") > OUTLIER * usual))
    percent = ((pl.col("factor") - 1) * 100).round(1)
    detail = pl.format("{} %, {} times its usual move", percent, (pl.col("move") / usual).round(1))
    return _single_sessions(found, "outlier", size=pl.col("move") / usual, detail=detail)


def _single_sessions(
    rows: pl.DataFrame, kind: Kind, *, size: pl.Expr, detail: pl.Expr
) -> pl.DataFrame:
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


def find_missing(placed: pl.DataFrame, calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Return the holes between two bars of a ticker that are not neighbours in its calendar."""
    before = pl.col("place").shift(1).over("ticker")
    holes = (
        placed.filter(pl.col("place").is_not_null())  # a calendar may have learnt of a closure
        .select("ticker", "exchange", "place", before.alias("before"))
        .filter(pl.col("place") - pl.col("before") > 1)
        .with_columns(first=pl.col("before") + 1, last=pl.col("place") - 1)
    )
    sessions = session_index(calendars)
    for end in ("first", "last"):
        named = sessions.rename({"session": f"{end}_session", "place": end})
        holes = holes.join(named, on=["exchange", end], how="left", maintain_order="left")
    length = pl.col("last") - pl.col("first") + 1
    return _runs_found(holes.with_columns(sessions=length, detail=pl.lit("")), "missing")


def find_stuck(placed: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of sessions whose close, or whole bar, is that of the session before."""
    as_before = [pl.col(name) == pl.col(name).shift(1).over("ticker") for name in PRICES]
    rows = placed.with_columns(
        same_close=(as_before[-1] & pl.col("traded")).fill_null(value=False),
        same_bar=(pl.all_horizontal(as_before) & pl.col("traded")).fill_null(value=False),
    ).with_columns((~pl.col("same_close")).cum_sum().alias("closes"))
    runs = (
        rows.filter(pl.len().over("closes") >= STUCK_BARS)
        .with_columns((~pl.col("same_bar")).cum_sum().alias("bars"))
        .with_columns(same_bars=pl.len().over("closes", "bars"))
        .group_by("closes", maintain_order=True)
        .agg(
            *_SPAN,
            pl.max("same_bars"),
            pl.first("close"),
        )
        .filter((pl.col("sessions") >= STUCK_CLOSES) | (pl.col("same_bars") >= STUCK_BARS))
    )
    detail = pl.format("close {}, whole bar the same in {}", _written("close"), "same_bars")
    return _runs_found(runs.with_columns(detail=detail), "stuck")


def find_zero_volume(placed: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of sessions without volume, of tickers that should have some."""
    run = pl.struct("ticker", "traded").rle_id().alias("run")
    runs = (
        placed.with_columns(run)
        .filter(~pl.col("traded"))
        .group_by("run", maintain_order=True)
        .agg(
            *_SPAN,
        )
    )
    return _runs_found(runs.with_columns(detail=pl.lit("")), "zero_volume")


def _runs_found(runs: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    size = pl.col("sessions").cast(pl.Float64)
    return runs.with_columns(pl.lit(kind).alias("kind"), size.alias("size"))


def _written(price: str) -> pl.Expr:
    """Return a price as people write it: six digits, and no decimals that say nothing."""
    return pl.col(price).round_sig_figs(6).cast(pl.String).str.strip_suffix(".0")
