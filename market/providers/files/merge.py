"""Merge of the bars of one ticker from several files."""

from __future__ import annotations

import polars as pl

from core.errors import BarsError
from market.bars.contract import BAR_SCHEMA, KEY

_VALUES = [name for name in BAR_SCHEMA if name not in (*KEY, "source")]
# Relative difference of values that were stored as 32-bit floats. Corrections are larger.
_NOISE = 1e-6


def merge_files(parts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Merge the bars of one ticker from several files. Shared sessions must have equal bars.

    Values that differ by less than the noise of 32-bit floats are equal. Repeated sessions within
    one file are kept: validation quarantines them with a reason.

    Raises
    ------
    BarsError
        If two files have different bars of one session.
    """
    merged, origin = BAR_SCHEMA.to_frame(), pl.Series("file", [], dtype=pl.String)
    for path, bars in parts.items():
        previous = merged.with_columns(origin).unique(KEY, keep="last", maintain_order=True)
        shared = bars.join(previous, on=KEY, how="inner", suffix="_previous")
        different = shared.filter(~pl.all_horizontal(map(_is_equal, _VALUES)))
        if not different.is_empty():
            ticker, session, file = different.select(*KEY, "file").row(0)
            msg = (
                f"{file} and {path} have different bars of {ticker} on {session}; "
                f"remove one of the files, or the session from one of them."
            )
            raise BarsError(msg)
        new = bars.join(previous, on=KEY, how="anti", maintain_order="left")
        merged = pl.concat([merged, new])
        origin = pl.concat([origin, pl.Series("file", [path] * new.height, dtype=pl.String)])
    return merged


def _is_equal(name: str) -> pl.Expr:
    value, previous = pl.col(name), pl.col(f"{name}_previous")
    is_near = (value - previous).abs() <= _NOISE * previous.abs()
    return value.eq_missing(previous) | is_near.fill_null(value=False)
