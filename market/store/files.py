"""The Parquet files of a bar store, with about fifty neighbouring tickers each, sorted by key.

Files are immutable: new bars are written to a new file with a new name. `market.store.index` lists
the current files.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import polars as pl

from core.errors import BarsError
from core.files import write_atomically
from market.bars.contract import BAR_SCHEMA, KEY
from market.store.index import LOCATION_SCHEMA

SUFFIX = ".parquet"
STORE_FILES = f"bars-*{SUFFIX}"
# About fifty tickers of twenty years: read in 20 ms, rewritten in a few hundred.
BARS_PER_FILE = 250_000
# One ticker then spans one or two row groups.
_BARS_PER_ROW_GROUP = 25_000


def merge_bars(*frames: pl.DataFrame) -> pl.DataFrame:
    """Merge frames that are sorted by key; the last frame wins where keys are equal."""
    filled = [frame for frame in frames if frame.height] or [frames[0]]
    if len(filled) == 1:
        return filled[0]
    # A stable sort of sorted runs is several times as fast as a join and a sort.
    bars = pl.concat(filled).sort(KEY, maintain_order=True)
    replaced = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in KEY)
    return bars.filter(~replaced.fill_null(value=False))


def write_files(root: Path, bars: pl.DataFrame) -> pl.DataFrame:
    """Write sorted bars to new files and return the location of each ticker, `LOCATION_SCHEMA`."""
    n_files = max(1, round(bars.height / BARS_PER_FILE))
    starts = pl.col("bars").cum_sum() - pl.col("bars")
    tickers = (
        bars.group_by("ticker", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("bars"),
            pl.col("session").max().to_physical().alias("last"),
        )
        .with_columns(starts.alias("row"), (starts * n_files // bars.height).alias("part"))
    )
    number = _last_number(root)
    locations = []
    for part in tickers.partition_by("part", maintain_order=True):
        number += 1
        name = f"bars-{number:06d}-{uuid4().hex[:8]}{SUFFIX}"
        buffer = io.BytesIO()
        rows = bars.slice(part.item(0, "row"), int(part["bars"].sum()))
        rows.write_parquet(buffer, row_group_size=_BARS_PER_ROW_GROUP)
        write_atomically(root / name, buffer.getvalue())
        locations.append(part.with_columns(pl.lit(name).alias("file"), starts.alias("start")))
    return pl.concat(locations).select(LOCATION_SCHEMA.names())


def read_file(path: Path, file: BinaryIO, locations: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of the tickers in `locations`, sorted by key, without decoding other rows.

    Parameters
    ----------
    path
        Path of the file, for error messages.
    file
        The open file. It stays readable after a compaction has deleted it.
    locations
        Locations of the tickers in this file, `LOCATION_SCHEMA`, in order.

    Raises
    ------
    BarsError
        If the file is damaged.
    """
    tickers = locations.get_column("ticker")
    first = locations.item(0, "start")
    after = locations.item(-1, "start") + locations.item(-1, "bars")
    bars = _read(path, file, f"its tickers ({tickers[0]} to {tickers[-1]})", first, after - first)
    if locations.get_column("bars").sum() < bars.height:
        bars = bars.filter(pl.col("ticker").is_in(tickers.implode()))
    return bars


def read_unindexed_file(path: Path) -> pl.DataFrame:
    """Return the bars of a file that the index does not list."""
    with path.open("rb") as file:
        return _read(path, file, "its ticker", 0, None)


def _read(path: Path, file: BinaryIO, tickers: str, first: int, length: int | None) -> pl.DataFrame:
    remedy = f"move it away and ingest {tickers} again"
    try:
        file.seek(0)
        rows = pl.scan_parquet(file, hive_partitioning=False).slice(first, length)
        bars = rows.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        msg = f"The bar file {path} cannot be read ({error}); {remedy}."
        raise BarsError(msg) from error
    if bars.schema != BAR_SCHEMA or (length is not None and bars.height != length):
        contents = f"its columns are {', '.join(bars.columns)}, its rows {bars.height}"
        msg = f"The bar file {path} cannot be read ({contents}); {remedy}."
        raise BarsError(msg)
    return bars


def _last_number(root: Path) -> int:
    # Newer files have higher numbers. The recovery of a lost index depends on this order.
    numbers = [path.name.split("-")[1] for path in root.glob(STORE_FILES)]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
