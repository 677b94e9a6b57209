"""Splits and dividends of the sample, inferred from the jumps of ``adj_close / close``.

::

    AlphaVantageEmulator(sample_bars("AAPL"), clock, actions=sample_actions("AAPL"))
"""

from __future__ import annotations

from functools import cache

import polars as pl
from support.market.bars import sample_bars

from market.providers.protocol import ACTIONS_SCHEMA

# The smallest event of the sample, 0.13 on IBM's 118.87, is 0.1 %, far above rounding errors.
_SMALLEST_EVENT = 1e-4
# The largest dividend, Microsoft's 3.08 on 27.39, is 11 %; each split is 2 for 1.
_SMALLEST_SPLIT = 1.5


@cache
def sample_actions(*tickers: str) -> pl.DataFrame:
    """Return the events of some tickers (by default all) by ex-date, `ACTIONS_SCHEMA`.

    At an ex-date ``f[t] / f[t-1] = split * (close + dividend) / close`` with f = adj_close / close.
    Dividends are rounded to cents.
    """
    factor = pl.col("adj_close") / pl.col("close")
    event = (factor / factor.shift(1)).over("ticker")
    split = pl.when(event > _SMALLEST_SPLIT).then(event.round()).otherwise(1.0)
    return (
        sample_bars(*tickers)
        .with_columns(event=event, split_factor=split)
        .filter((pl.col("event") - 1).abs() > _SMALLEST_EVENT)
        # Rounding may turn the dividend of a split into -0.0.
        .with_columns(
            dividend=(pl.col("close") * (pl.col("event") / pl.col("split_factor") - 1))
            .round(2)
            .abs()
        )
        .select(ACTIONS_SCHEMA.names())
    )


def with_sample_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars as a network provider does: with splits and dividends, without `adj_close`."""
    actions = sample_actions(*bars.get_column("ticker").unique().sort())
    return (
        bars.drop("split_factor", "dividend")
        .join(actions, on=["ticker", "session"], how="left", maintain_order="left")
        .with_columns(
            pl.lit(None, dtype=pl.Float64).alias("adj_close"),
            pl.col("split_factor").fill_null(1.0),
            pl.col("dividend").fill_null(0.0),
        )
        .select(bars.columns)
    )
