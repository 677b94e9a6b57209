"""Past forecasts of the sample's tickers: real outcomes, and the same interval for each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl
from support.market.bars import sample_bars

from forecasting.forecast_history import HISTORY_FILE, select_history, write_history
from forecasting.horizons import HORIZONS
from market.bars.adjustments import adjust_bars

_WIDTHS = {"q2.5": -2.0, "q10": -1.3, "q50": 0.05, "q90": 1.3, "q97.5": 2.0}


@cache
def past_forecasts(*tickers: str) -> pl.DataFrame:
    """Return the history of a version for some tickers of the sample."""
    closes = adjust_bars(sample_bars(*tickers).filter(pl.col("session").dt.year() == 2012))
    scale = {horizon: 0.015 * horizon**0.5 for horizon in HORIZONS}
    rows = [
        closes.select(
            "ticker",
            model=pl.lit("ensemble"),
            horizon=pl.lit(horizon, pl.Int64),
            as_of="session",
            target_session=pl.col("session").shift(-horizon).over("ticker"),
            log_return=(pl.col("close").shift(-horizon) / pl.col("close")).log().over("ticker"),
            crps=pl.lit(scale[horizon] / 4),
            **{name: pl.lit(width * scale[horizon]) for name, width in _WIDTHS.items()},
        )
        for horizon in HORIZONS
    ]
    return select_history(pl.concat(rows).drop_nulls(), "ensemble")


def history_file(folder: Path, *tickers: str) -> dict[str, Path]:
    """Write the history, and return it as the evidence file of a version."""
    path = folder / HISTORY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_history(past_forecasts(*tickers), path)
    return {HISTORY_FILE: path}
