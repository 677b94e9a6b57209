"""Past forecasts of a model version with their outcomes, in one small file for serving.

The file has the out-of-sample forecasts of the walk-forward evaluation. A log of served forecasts
can have the same columns.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from forecasting.distribution.levels import column_of

HISTORY_FILE = "history.parquet"
# About half a year, so that the file of thousands of tickers stays small.
SESSIONS = 130
MEDIAN = column_of(0.5)
BOUNDS = {
    "80": (column_of(0.1), column_of(0.9)),
    "95": (column_of(0.025), column_of(0.975)),
}
_KEY = ("ticker", "horizon", "as_of")
_MEASURES = ("log_return", MEDIAN, *BOUNDS["80"], *BOUNDS["95"], "crps")
# One ticker is read without the others, because its rows are in few groups of the file.
_ROWS_PER_GROUP = 5_000


def select_history(forecasts: pl.DataFrame, model: str) -> pl.DataFrame:
    """Return the newest forecasts of one model: `SESSIONS` for each ticker and horizon.

    Parameters
    ----------
    forecasts
        `forecasting.evaluation.result.WalkForwardResult.forecasts`.
    model
        Model in the column `model`.

    Returns
    -------
    pl.DataFrame
        `ticker`, `horizon`, `as_of` (sorted by these), `target_session`, and as Float32 the outcome
        `log_return`, quantiles of the forecast and `crps`.
    """
    return (
        forecasts.filter(model=model)
        .sort(_KEY)
        .group_by("ticker", "horizon", maintain_order=True)
        .tail(SESSIONS)
        .select(*_KEY, "target_session", pl.col(_MEASURES).cast(pl.Float32))
    )


def write_history(history: pl.DataFrame, path: Path) -> None:
    """Write the result of `select_history`."""
    history.write_parquet(path, row_group_size=_ROWS_PER_GROUP, statistics=True)


def read_history(path: Path, ticker: str, horizon: int) -> pl.DataFrame:
    """Return the rows of one ticker and horizon, sorted by `as_of`."""
    rows = pl.scan_parquet(path).filter(ticker=ticker, horizon=horizon)
    return rows.collect().sort("as_of")
