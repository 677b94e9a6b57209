"""Choice of the settled bar among several bars of one session.

A bar that was recorded during its session is partial. Until the close its volume and its high can
only rise, and its low can only fall. The settled bar is therefore the one with the largest volume
and the widest range. The order of rows shows nothing: many sources write the newest row first.
"""

from __future__ import annotations

import polars as pl

# Relative tolerance of prices, for values that were stored as 32-bit floats.
TOLERANCE = 1e-6
_PRICES = ("open", "high", "low", "close", "adj_close")
_EXACT = ("volume", "split_factor", "dividend")
_SAME = "duplicate: the same bar follows"
_PARTIAL = "duplicate: partial; another bar of this session has a larger or equal volume and range"
_UNDECIDED = (
    "duplicate: the bars of this session differ, and none has both the largest volume and the "
    "widest range; keep one of them"
)


def find_duplicates(rows: pl.DataFrame, *, row: str, key: tuple[str, ...]) -> pl.DataFrame:
    """Return `row` and the reason in `duplicate` for each row that is not the bar of its key.

    Of equal settled bars the last one is kept. If the settled bars differ, or no bar has both the
    largest volume and the widest range, all rows of the key are returned.

    Parameters
    ----------
    rows
        Valid bars in any order, with the column `row`, the index of the row.
    """
    is_settled = (
        (pl.col("volume") == pl.col("volume").max().over(key))
        & (pl.col("high") * (1 + TOLERANCE) >= pl.col("high").max().over(key))
        & (pl.col("low") * (1 - TOLERANCE) <= pl.col("low").min().over(key))
    )
    repeated = rows.filter(pl.len().over(key) > 1).with_columns(is_settled=is_settled)
    settled_row = pl.when("is_settled").then(row).max().over(key)
    agree = [_agrees(name, TOLERANCE, key) for name in _PRICES]
    agree += [_agrees(name, 0.0, key) for name in _EXACT]
    reason = (
        pl.when(settled_row.is_null() | ~pl.all_horizontal(agree))
        .then(pl.lit(_UNDECIDED))
        .when(~pl.col("is_settled"))
        .then(pl.lit(_PARTIAL))
        .when(pl.col(row) != settled_row)
        .then(pl.lit(_SAME))
    )
    return repeated.select(row, duplicate=reason).filter(pl.col("duplicate").is_not_null())


def _agrees(name: str, tolerance: float, key: tuple[str, ...]) -> pl.Expr:
    """Return whether all settled bars of a key have the same value, or all have none."""
    value = pl.when("is_settled").then(name)
    spread = value.max().over(key) - value.min().over(key)
    n_null = (pl.col("is_settled") & pl.col(name).is_null()).sum().over(key)
    is_close = (spread <= tolerance * value.max().over(key)).fill_null(value=True)
    return is_close & ((n_null == 0) | (n_null == pl.col("is_settled").sum().over(key)))
