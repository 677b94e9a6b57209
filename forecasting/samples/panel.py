"""Feature table -> samples: which windows exist, and what is known about each.

Belongs here: laying windows out in memory and handing them out by row. Windows overlap almost
wholly, so the rows are stored once and windows are gathered when asked for. Does not belong here:
which samples train and which test (`forecasting.samples.splits`), and scaling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from forecasting.features.feature_set import MAX_WARMUP, VOLATILITY
from forecasting.horizons import HORIZONS
from forecasting.samples.targets import compute_targets

KEY = ["ticker", "session"]


@dataclass(frozen=True)
class Panel:
    """All samples of all tickers: n samples, m feature rows, F features, H horizons.

    Attributes
    ----------
    keys
        ``ticker, session`` (the as-of session), a row a sample, sorted by session, then ticker.
    matrix
        Complete feature rows (m, F), a ticker's rows in session order and side by side.
    ends
        (n,) for each sample the row of `matrix` that its window ends with.
    lookback, feature_names, horizons
        Sessions in a window; the columns of `matrix`; the columns of the targets.
    log_returns, target_sessions
        (n, H) targets and the session they are known at; NaN and NaT where not yet known.
    volatility
        (n,) EWMA volatility a session, known at the as-of session.
    daily
        ``ticker, session, log_return``: adjusted close to close over the whole history, null in a
        ticker's first row.
    skipped
        ``ticker, bars, needed, reason``: tickers that give no sample.
    """

    keys: pl.DataFrame
    matrix: NDArray[np.float32]
    ends: NDArray[np.int64]
    lookback: int
    feature_names: tuple[str, ...]
    horizons: tuple[int, ...]
    log_returns: NDArray[np.float64]
    target_sessions: NDArray[np.datetime64]
    volatility: NDArray[np.float64]
    daily: pl.DataFrame
    skipped: pl.DataFrame

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def sessions(self) -> NDArray[np.datetime64]:
        """As-of sessions of the samples, each once, ascending."""
        return np.unique(self.sample_sessions)

    @cached_property
    def sample_sessions(self) -> NDArray[np.datetime64]:
        """(n,) the as-of session of every sample."""
        return self.keys["session"].to_numpy().astype("datetime64[D]")

    def windows(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Gather the windows of samples `rows` (indices or a mask): (k, lookback, F)."""
        return _gather(self.matrix, self.ends[np.asarray(rows)], self.lookback)

    def last(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Gather the last feature row of samples `rows`: (k, F)."""
        taken: NDArray[np.float32] = self.matrix[self.ends[np.asarray(rows)]]
        return taken


def build_panel(
    feature_table: pl.DataFrame,
    adjusted: pl.DataFrame,
    lookback: int,
    horizons: Sequence[int] = HORIZONS,
    *,
    warmup: int = MAX_WARMUP,
) -> Panel:
    """Make a sample of every bar that ends a complete window.

    Parameters
    ----------
    feature_table
        From `forecasting.features.feature_set.compute_features`, sorted by ticker and session.
    adjusted
        The adjusted bars it was computed from.
    lookback
        Sessions in a window. A window is complete when none of its values is null; it never spans
        two tickers.
    horizons
        Sessions ahead of the targets.
    warmup
        Warm-up of the feature set, to tell how many bars a skipped ticker needs.

    Returns
    -------
    Panel
        Samples whose targets are not known yet are included, with NaN.
    """
    complete = _complete_rows(feature_table, lookback)
    names = tuple(name for name in feature_table.columns if name not in KEY)
    samples = (
        complete.filter("_ends_window")
        .select(*KEY, "_row", VOLATILITY)
        .join(compute_targets(adjusted, horizons), on=KEY, how="left", maintain_order="left")
        .sort("session", "ticker")
    )
    returns = [f"log_return_{h}" for h in horizons]
    known_at = [f"target_session_{h}" for h in horizons]
    return Panel(
        keys=samples.select(KEY),
        matrix=_to_matrix(complete, names),
        ends=samples["_row"].to_numpy().astype(np.int64),
        lookback=lookback,
        feature_names=names,
        horizons=tuple(horizons),
        log_returns=samples.select(returns).cast(pl.Float64).fill_null(np.nan).to_numpy(),
        target_sessions=np.column_stack(
            [samples[name].to_numpy().astype("datetime64[D]") for name in known_at]
        ),
        volatility=samples[VOLATILITY].to_numpy(),
        daily=_daily_log_returns(adjusted),
        skipped=_skipped(feature_table, samples["ticker"], warmup + lookback - 1),
    )


def latest_windows(
    feature_table: pl.DataFrame, lookback: int
) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Return the newest complete window of every ticker that has one.

    Returns
    -------
    keys : polars.DataFrame
        ``ticker, session`` of each window's last row, sorted by ticker. It is not a ticker's newest
        bar where that bar's features are undefined.
    windows : numpy.ndarray
        float32 (n, lookback, F), in the order of `keys`.
    """
    names = tuple(name for name in feature_table.columns if name not in KEY)
    complete = _complete_rows(feature_table, lookback)
    newest = complete.filter("_ends_window").group_by("ticker", maintain_order=True).last()
    ends = newest["_row"].to_numpy().astype(np.int64)
    return newest.select(KEY), _gather(_to_matrix(complete, names), ends, lookback)


def _complete_rows(feature_table: pl.DataFrame, lookback: int) -> pl.DataFrame:
    """Keep rows without nulls, numbered, and tell which of them end a complete window.

    `_run` numbers the bars of a ticker and the complete ones apart: the difference is constant
    along an unbroken run of complete rows.
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


def _to_matrix(complete: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    values = complete.select(pl.col(names).cast(pl.Float32)).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float32)


def _gather(
    matrix: NDArray[np.float32], ends: NDArray[np.int64], lookback: int
) -> NDArray[np.float32]:
    steps = np.arange(1 - lookback, 1)
    gathered: NDArray[np.float32] = matrix[ends[:, None] + steps]
    return gathered


def _daily_log_returns(adjusted: pl.DataFrame) -> pl.DataFrame:
    close = pl.col("close")
    log_return = (close / close.shift(1)).log().over("ticker")
    return adjusted.select(*KEY, log_return=log_return)


def _skipped(feature_table: pl.DataFrame, sampled: pl.Series, needed: int) -> pl.DataFrame:
    young = pl.format(
        "has {} bars; a first window needs {}", pl.col("bars"), pl.lit(needed, pl.Int64)
    )
    undefined = pl.lit("no unbroken window: features are undefined where prices stand still")
    return (
        feature_table.group_by("ticker", maintain_order=True)
        .agg(bars=pl.len().cast(pl.Int64))
        .filter(~pl.col("ticker").is_in(sampled.unique().to_list()))
        .with_columns(needed=pl.lit(needed, pl.Int64))
        .with_columns(reason=pl.when(pl.col("bars") < needed).then(young).otherwise(undefined))
    )
