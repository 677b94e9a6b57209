"""Columns of stored bars that the findings are derived from: session index, volume and moves."""

from __future__ import annotations

import polars as pl

from market.bars.adjustments import adjust_bars
from market.calendars.sessions import Sessions

# Pence quoted as pounds change a price by a factor of 100, times the move of that session.
LEVEL_CHANGE = (80.0, 125.0)
HALF_LIFE = 21
# Indices and currency pairs in the spelling of Yahoo and others.
WITHOUT_VOLUME = r"^\^|=X$"


def add_session_index(bars: pl.DataFrame, calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Add the columns `exchange`, `session_index`, `has_volume` and `traded` to bars.

    `session_index` is null for a session that the calendar does not have. `has_volume` is False for
    indices and currency pairs. `traded` is True for a positive volume, and wherever `has_volume`
    is False.
    """
    exchanges = {ticker: sessions.exchange for ticker, sessions in calendars.items()}
    exchange = pl.col("ticker").replace_strict(exchanges, return_dtype=pl.String)
    has_volume = ~pl.col("ticker").str.contains(WITHOUT_VOLUME)
    return (
        bars.with_columns(exchange.alias("exchange"), has_volume.alias("has_volume"))
        .join(
            index_sessions(calendars), on=["exchange", "session"], how="left", maintain_order="left"
        )
        .with_columns(traded=(pl.col("volume") > 0) | ~pl.col("has_volume"))
    )


def index_sessions(calendars: dict[str, Sessions]) -> pl.DataFrame:
    """Return `exchange`, `session` and `session_index`, from 0, of every session."""
    by_exchange = {sessions.exchange: sessions for sessions in calendars.values()}
    schema = pl.Schema({"exchange": pl.String(), "session": pl.Date()})
    frames = [
        sessions.between(sessions.first, sessions.last)
        .to_frame()
        .select(pl.lit(exchange).alias("exchange"), "session")
        for exchange, sessions in by_exchange.items()
    ]
    index = pl.int_range(pl.len(), dtype=pl.Int64).over("exchange")
    return pl.concat([schema.to_frame(), *frames]).with_columns(index.alias("session_index"))


def add_moves(indexed: pl.DataFrame) -> pl.DataFrame:
    """Add the columns `adjusted`, `gap`, `shares`, `factor`, `is_level_change`, `move`, `usual`.

    `factor` is the change of the adjusted close since the previous bar, `gap` that of the adjusted
    open since the previous close, `shares` the adjusted volume, `move` the absolute log of `factor`
    per square root of the elapsed sessions, and `usual` the weighted mean of earlier moves, see
    `market.quality.report.examine_bars`. `move` is null at level changes, so that they do not
    affect `usual`. `usual` is null until there are `HALF_LIFE` moves.

    Parameters
    ----------
    indexed
        Bars with `session_index`, sorted by ticker and session.
    """
    bars = adjust_bars(indexed)
    adjusted, shares = bars["close"].alias("adjusted"), bars["volume"].alias("shares")
    low, high = LEVEL_CHANGE
    before = pl.col("adjusted").shift(1).over("ticker")
    factor = pl.col("adjusted") / before
    size = pl.max_horizontal(pl.col("factor"), 1 / pl.col("factor"))
    elapsed = pl.col("session_index").diff().over("ticker").fill_null(1)
    move = pl.col("factor").log().abs() / elapsed.cast(pl.Float64).sqrt()
    usual = pl.col("move").ewm_mean(half_life=HALF_LIFE, min_samples=HALF_LIFE).shift(1)
    return (
        indexed.with_columns(adjusted, shares)
        .with_columns(factor.alias("factor"), gap=bars["open"] / before)
        .with_columns(is_level_change=size.is_between(low, high))
        .with_columns(pl.when(~pl.col("is_level_change")).then(move).alias("move"))
        .with_columns(usual.over("ticker").alias("usual"))
    )
