"""Merge of the bars of one ticker from several files."""

from __future__ import annotations

import polars as pl

from core.errors import BarsError
from market.bars.contract import BAR_SCHEMA, KEY
from market.bars.duplicates import find_duplicates

_VALUES = [name for name in BAR_SCHEMA if name not in (*KEY, "source")]
# Relative difference of values that were stored as 32-bit floats. Corrections are larger.
_NOISE = 1e-6
_ROW = "__row__"


def merge_files(parts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Merge the bars of one ticker from several files. Shared sessions must have equal bars.

    Values that differ by less than the noise of 32-bit floats are equal. Of two different bars, one
    may be partial, such as the last one of an older export: both are kept, and validation
    quarantines the partial one. Repeated sessions within one file are kept for the same reason.

    Raises
    ------
    BarsError
        If two files have different bars of one session, and neither of them is partial, see
        `market.bars.duplicates`.
    """
    merged, origin = BAR_SCHEMA.to_frame(), pl.Series("file", [], dtype=pl.String)
    for path, bars in parts.items():
        previous = merged.with_columns(origin).unique(KEY, keep="last", maintain_order=True)
        shared = bars.join(previous, on=KEY, how="inner", suffix="_previous")
        different = shared.filter(~pl.all_horizontal(map(_is_equal, _VALUES)))
        undecided = different.join(_find_partial(different), on=KEY, how="anti")
        if not undecided.is_empty():
            ticker, session, file = undecided.select(*KEY, "file").row(0)
            msg = (
                f"{file} and {path} have different bars of {ticker} on {session}; "
                f"remove one of the files, or the session from one of them."
            )
            raise BarsError(msg)
        equal = previous.join(different, on=KEY, how="anti")
        new = bars.join(equal, on=KEY, how="anti", maintain_order="left")
        merged = pl.concat([merged, new])
        origin = pl.concat([origin, pl.Series("file", [path] * new.height, dtype=pl.String)])
    return merged


def _is_equal(name: str) -> pl.Expr:
    value, previous = pl.col(name), pl.col(f"{name}_previous")
    is_near = (value - previous).abs() <= _NOISE * previous.abs()
    return value.eq_missing(previous) | is_near.fill_null(value=False)


def _find_partial(different: pl.DataFrame) -> pl.DataFrame:
    """Return the keys of pairs of bars of which exactly one is partial."""
    previous = different.select(*KEY, pl.col("^.*_previous$").name.replace("_previous$", ""))
    columns = [*KEY, *_VALUES]
    pairs = pl.concat([different.select(columns), previous.select(columns)]).drop_nulls(
        ["high", "low", "volume"]
    )
    refused = find_duplicates(pairs.with_row_index(_ROW), row=_ROW, key=KEY)
    counts = pairs.with_row_index(_ROW).join(refused, on=_ROW).group_by(KEY).len()
    return counts.filter(pl.col("len") == 1)
