"""Samples: the feature windows of all tickers, with their targets.

Neighbouring windows overlap almost completely, so the panel stores each feature row once and
gathers windows on request. `forecasting.samples.splits` selects training and test samples.
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
from forecasting.samples.windows import KEY, complete_rows, gather_windows, to_matrix


@dataclass(frozen=True)
class Panel:
    """All samples of all tickers: n samples, m feature rows, F features, H horizons.

    Attributes
    ----------
    keys
        ``ticker, session`` (the as-of session), one row per sample, sorted by session and ticker.
    matrix
        (m, F) complete feature rows; the rows of a ticker are adjacent and in session order.
    ends
        (n,) row of `matrix` that the window of each sample ends with.
    lookback, feature_names, horizons
        Sessions in a window, names of the columns of `matrix`, horizons of the target columns.
    log_returns, realised_variance, target_sessions
        (n, H) targets, and the session that completes each at its close. NaN and NaT where unknown.
        The variance is the mean per session over the horizon.
    volatility
        (n,) EWMA volatility per session, known at the as-of session.
    daily
        ``ticker, session, log_return``: log return of the adjusted close over one session, for the
        whole history. Null in the first row of a ticker.
    skipped
        ``ticker, bars, needed, reason``: tickers without a sample.
    """

    keys: pl.DataFrame
    matrix: NDArray[np.float32]
    ends: NDArray[np.int64]
    lookback: int
    feature_names: tuple[str, ...]
    horizons: tuple[int, ...]
    log_returns: NDArray[np.float64]
    realised_variance: NDArray[np.float64]
    target_sessions: NDArray[np.datetime64]
    volatility: NDArray[np.float64]
    daily: pl.DataFrame
    skipped: pl.DataFrame

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def sessions(self) -> NDArray[np.datetime64]:
        """Unique as-of sessions of the samples, ascending."""
        return np.unique(self.sample_sessions)

    @cached_property
    def sample_sessions(self) -> NDArray[np.datetime64]:
        """(n,) as-of session of every sample."""
        return self.keys["session"].to_numpy().astype("datetime64[D]")

    def windows(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the windows of samples `rows` (k indices or a mask): (k, lookback, F)."""
        return gather_windows(self.matrix, self.ends[np.asarray(rows)], self.lookback)

    def last(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the last feature row of samples `rows` (k indices or a mask): (k, F)."""
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
    """Build one sample for every bar that ends a complete window.

    Parameters
    ----------
    feature_table
        Result of `forecasting.features.feature_set.compute_features`, sorted by ticker and
        session.
    adjusted
        Adjusted bars that `feature_table` was computed from.
    lookback
        Sessions in a window. A window is complete when it has no null. It covers consecutive bars
        of one ticker.
    horizons
        Sessions ahead of the targets.
    warmup
        Warm-up of the feature set, to state how many bars a skipped ticker needs.

    Returns
    -------
    Panel
        Samples with unknown targets are included; these targets are NaN.

    Examples
    --------
    >>> from datetime import date
    >>> bars = pl.DataFrame(
    ...     {
    ...         "ticker": ["ABC"] * 4,
    ...         "session": [date(2024, 1, day) for day in (2, 3, 4, 5)],
    ...         **{p: [100.0, 110.0, 99.0, 99.0] for p in ("open", "high", "low", "close")},
    ...     }
    ... )
    >>> volatility = pl.Series([None, 0.5, 0.25, 1.0])
    >>> table = bars.select("ticker", "session", ewma_volatility=volatility)
    >>> panel = build_panel(table, bars, lookback=2, horizons=[1])
    >>> [str(session) for session in panel.keys["session"]]
    ['2024-01-04', '2024-01-05']
    >>> panel.windows([0]).tolist()
    [[[0.5], [0.25]]]
    >>> panel.log_returns.tolist()
    [[0.0], [nan]]
    """
    complete = complete_rows(feature_table, lookback)
    names = tuple(name for name in feature_table.columns if name not in KEY)
    samples = (
        complete.filter("_ends_window")
        .select(*KEY, "_row", VOLATILITY)
        .join(compute_targets(adjusted, horizons), on=KEY, how="left", maintain_order="left")
        .sort("session", "ticker")
    )
    return Panel(
        keys=samples.select(KEY),
        matrix=to_matrix(complete, names),
        ends=samples["_row"].to_numpy().astype(np.int64),
        lookback=lookback,
        feature_names=names,
        horizons=tuple(horizons),
        log_returns=_by_horizon(samples, "log_return", horizons),
        realised_variance=_by_horizon(samples, "realised_variance", horizons),
        target_sessions=_target_sessions(samples, horizons),
        volatility=samples[VOLATILITY].to_numpy(),
        daily=_daily_log_returns(adjusted),
        skipped=_skipped(feature_table, samples["ticker"], warmup + lookback - 1),
    )


def _by_horizon(samples: pl.DataFrame, name: str, horizons: Sequence[int]) -> NDArray[np.float64]:
    values = samples.select(f"{name}_{h}" for h in horizons).cast(pl.Float64)
    return values.fill_null(np.nan).to_numpy()


def _target_sessions(samples: pl.DataFrame, horizons: Sequence[int]) -> NDArray[np.datetime64]:
    sessions = [samples[f"target_session_{h}"].to_numpy() for h in horizons]
    return np.column_stack([session.astype("datetime64[D]") for session in sessions])


def _daily_log_returns(adjusted: pl.DataFrame) -> pl.DataFrame:
    close = pl.col("close")
    log_return = (close / close.shift(1)).log().over("ticker")
    return adjusted.select(*KEY, log_return=log_return)


def _skipped(feature_table: pl.DataFrame, sampled: pl.Series, needed: int) -> pl.DataFrame:
    too_short = pl.format(
        "has {} bars; a first window needs {}", pl.col("bars"), pl.lit(needed, pl.Int64)
    )
    undefined = pl.lit("has no complete window: features are undefined while prices do not move")
    return (
        feature_table.group_by("ticker", maintain_order=True)
        .agg(bars=pl.len().cast(pl.Int64))
        .filter(~pl.col("ticker").is_in(sampled.unique().to_list()))
        .with_columns(needed=pl.lit(needed, pl.Int64))
        .with_columns(reason=pl.when(pl.col("bars") < needed).then(too_short).otherwise(undefined))
    )
