"""The Parquet files of a bar store: each holds some fifty neighbouring tickers, sorted by key.

A file is never changed: new bars make a new file with a name of its own. Which files count is known
to `market.store.index`.
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
from market.store.index import PLACED_SCHEMA

SUFFIX = ".parquet"
# Some fifty tickers of twenty years: read in 20 ms, written anew in a few hundred.
BARS_A_FILE = 250_000
# One ticker is read from one or two row groups.
_BARS_A_ROW_GROUP = 25_000


def newest_of(*frames: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of all frames, each sorted by key; of bars with one key, the last given."""
    found = [frame for frame in frames if frame.height] or [frames[0]]
    if len(found) == 1:
        return found[0]
    # A stable sort merges sorted stretches, several times as fast as a join and a sort.
    bars = pl.concat(found).sort(KEY, maintain_order=True)
    replaced = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in KEY)
    return bars.filter(~replaced.fill_null(value=False))


def write_files(root: Path, bars: pl.DataFrame) -> pl.DataFrame:
    """Write sorted bars into new files; return where each ticker is (`PLACED_SCHEMA`)."""
    n_files = max(1, round(bars.height / BARS_A_FILE))
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
    placed = []
    for part in tickers.partition_by("part", maintain_order=True):
        number += 1
        name = f"bars-{number:06d}-{uuid4().hex[:8]}{SUFFIX}"
        buffer = io.BytesIO()
        inside = bars.slice(part.item(0, "row"), int(part["bars"].sum()))
        inside.write_parquet(buffer, row_group_size=_BARS_A_ROW_GROUP)
        write_atomically(root / name, buffer.getvalue())
        placed.append(part.with_columns(pl.lit(name).alias("file"), starts.alias("start")))
    return pl.concat(placed).select(PLACED_SCHEMA.names())


def read_file(path: Path, file: BinaryIO, placed: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of the tickers in `placed`, sorted by key; nothing else is decoded.

    Parameters
    ----------
    path
        The name of the file, for the error.
    file
        The open file: what is open can be read even when a newer one has taken its place.
    placed
        Where its tickers are (`PLACED_SCHEMA`), in order.

    Raises
    ------
    BarsError
        When the file is damaged.
    """
    tickers = placed.get_column("ticker")
    first, after = placed.item(0, "start"), placed.item(-1, "start") + placed.item(-1, "bars")
    bars = _read(path, file, f"its tickers ({tickers[0]} to {tickers[-1]})", first, after - first)
    if placed.get_column("bars").sum() < bars.height:
        bars = bars.filter(pl.col("ticker").is_in(tickers.implode()))
    return bars


def read_foreign_file(path: Path) -> pl.DataFrame:
    """Return the bars of a file that the index does not know."""
    with path.open("rb") as file:
        return _read(path, file, "its ticker", 0, None)


def _read(path: Path, file: BinaryIO, tickers: str, first: int, length: int | None) -> pl.DataFrame:
    way_out = f"move it away and ingest {tickers} again"
    try:
        file.seek(0)
        rows = pl.scan_parquet(file, hive_partitioning=False).slice(first, length)
        bars = rows.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        msg = f"the bar file {path} cannot be read ({error}); {way_out}."
        raise BarsError(msg) from error
    if bars.schema != BAR_SCHEMA or (length is not None and bars.height != length):
        found = f"its columns are {', '.join(bars.columns)}, its rows {bars.height}"
        msg = f"the bar file {path} cannot be read ({found}); {way_out}."
        raise BarsError(msg)
    return bars


def _last_number(root: Path) -> int:
    # Newer files have higher numbers, by which they can be put in order if the index is lost.
    numbers = [path.name.split("-")[1] for path in root.glob(f"bars-*{SUFFIX}")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
