"""A program that upserts bars until it is killed: ``python store_writer.py ROOT SEED``.

Every upsert replaces all bars of two tickers. All bars of one upsert have the same volume, which
reveals a mixture of two upserts. Every second upsert is followed by a compaction.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import polars as pl

from market.bars.contract import BAR_SCHEMA
from market.store import BarStore

N_BARS = 4_000


def uniform_bars(ticker: str, volume: int) -> pl.DataFrame:
    sessions = [date(2000, 1, 1) + timedelta(days=n) for n in range(N_BARS)]
    prices = dict.fromkeys(("open", "high", "low", "close", "adj_close"), pl.lit(1.5))
    return (
        pl.DataFrame({"session": sessions})
        .with_columns(
            ticker=pl.lit(ticker),
            volume=pl.lit(volume, dtype=pl.Int64),
            split_factor=pl.lit(1.0),
            dividend=pl.lit(0.0),
            source=pl.lit("writer"),
            **prices,
        )
        .select(BAR_SCHEMA.names())
    )


def main(root: str, seed: str) -> None:
    store = BarStore(Path(root))
    for volume in count(int(seed)):
        store.upsert(pl.concat([uniform_bars("AAA", volume), uniform_bars("BBB", volume)]))
        if volume % 2:
            store.compact()
        sys.stdout.write(".")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
