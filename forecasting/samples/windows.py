"""Windows of complete feature rows, the inputs of the models.

Neighbouring windows overlap almost completely, so callers store each row once and gather windows on
request.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY = ["ticker", "session"]


def latest_windows(
    feature_table: pl.DataFrame, lookback: int
) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Return the newest complete window of every ticker that has one.

    Returns
    -------
    keys : polars.DataFrame
        ``ticker, session`` of the last row of each window, sorted by ticker. The session is older
        than the newest bar of the ticker where features of the newest bar are undefined.
    windows : numpy.ndarray
        float32 (n, lookback, F), in the order of `keys`.

    Examples
    --------
    >>> from datetime import date
    >>> table = pl.DataFrame(
    ...     {
    ...         "ticker": ["ABC"] * 4,
    ...         "session": [date(2024, 1, day) for day in (2, 3, 4, 5)],
    ...         "gap": [0.0, 1.0, 2.0, None],
    ...     }
    ... )
    >>> keys, windows = latest_windows(table, lookback=2)
    >>> keys.rows()
    [('ABC', datetime.date(2024, 1, 4))]
    >>> windows.tolist()
    [[[1.0], [2.0]]]
    """
    names = tuple(name for name in feature_table.columns if name not in KEY)
    complete = complete_rows(feature_table, lookback)
    newest = complete.filter("_ends_window").group_by("ticker", maintain_order=True).last()
    ends = newest["_row"].to_numpy().astype(np.int64)
    return newest.select(KEY), gather_windows(to_matrix(complete, names), ends, lookback)


def complete_rows(feature_table: pl.DataFrame, lookback: int) -> pl.DataFrame:
    """Return the rows without nulls, numbered, with a flag for rows that end a complete window.

    `_run` is the number of a bar minus the number of complete bars so far. It is constant within
    an unbroken run of complete rows.

    Examples
    --------
    >>> table = pl.DataFrame(
    ...     {"ticker": ["ABC"] * 3, "session": [1, 2, 3], "gap": [None, 0.0, 1.0]}
    ... )
    >>> complete_rows(table, lookback=2).select("session", "_ends_window").rows()
    [(2, False), (3, True)]
    """
    values = pl.exclude(KEY)
    run = pl.int_range(pl.len()).over("ticker") - pl.col("_complete").cum_sum().over("ticker")
    return (
        feature_table.with_columns(_complete=pl.all_horizontal(values.is_not_null()))
        .with_columns(_run=run)
        .filter("_complete")
        .with_columns(
            _row=pl.int_range(pl.len()),
            _ends_window=pl.int_range(pl.len()).over("ticker", "_run") >= lookback - 1,
        )
    )


def to_matrix(complete: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the feature columns of complete rows as float32 (rows, features).

    Examples
    --------
    >>> to_matrix(pl.DataFrame({"gap": [0.5], "atr": [2.0]}), ["atr", "gap"]).tolist()
    [[2.0, 0.5]]
    """
    values = complete.select(pl.col(names).cast(pl.Float32)).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float32)


def gather_windows(
    matrix: NDArray[np.float32], ends: NDArray[np.int64], lookback: int
) -> NDArray[np.float32]:
    """Return the windows of `lookback` rows that end with the rows `ends`: (n, lookback, F).

    Examples
    --------
    >>> rows = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    >>> gather_windows(rows, np.array([2]), lookback=2).tolist()
    [[[2.0], [3.0]]]
    """
    steps = np.arange(1 - lookback, 1)
    gathered: NDArray[np.float32] = matrix[ends[:, None] + steps]
    return gathered
