"""Out-of-sample forecasts of every model, one fold at a time.

A fold's result depends on the panel, the fold and the configuration alone, so it can be kept on
disk and made again on its own. What is learnt across folds, weights and calibration, belongs to
`forecasting.evaluation.combination`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from core.errors import NotEnoughHistoryError
from forecasting.distribution.levels import LEVELS
from forecasting.models.base import MEMBERS, REFERENCES, Rows, horizon_volatility
from forecasting.models.garch import GarchModel
from forecasting.models.naive import NaiveModel
from forecasting.models.training import TrainingConfig, fit_members
from forecasting.samples.panel import Panel
from forecasting.samples.splits import Fold, forecast_rows, training_rows

EXCLUDED_SCHEMA = pl.Schema({"fold": pl.Int64, "ticker": pl.String, "reason": pl.String})
QUANTILES = pl.Array(pl.Float64, len(LEVELS))
_FOLD_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "fold": pl.Int64,
    "ticker": pl.String,
    "as_of": pl.Date,
    "target_session": pl.Date,
    "horizon": pl.Int64,
    "log_return": pl.Float64,
    "unit": pl.Float64,
    **{f"{member}_{kind}": pl.Float64 for member in MEMBERS for kind in ("mean", "scale")},
    **{f"{reference}_mean": pl.Float64 for reference in REFERENCES},
    **{f"{reference}_quantiles": QUANTILES for reference in REFERENCES},
}
FOLD_SCHEMA = pl.Schema(_FOLD_COLUMNS)

FORECASTS_FILE, EXCLUDED_FILE = "forecasts.parquet", "excluded.parquet"


@dataclass(frozen=True, eq=False)
class FoldForecasts:
    """What the four models said in one fold; two frames, to be kept as Parquet.

    Attributes
    ----------
    forecasts
        `FOLD_SCHEMA`, a row a (ticker, as_of, horizon) with a known outcome, sorted by these.
        Members give location and scale, references a mean and 199 quantiles, all in log returns;
        `unit` is what turns them into z.
    excluded
        `EXCLUDED_SCHEMA`: the tickers that no model forecasts in this fold, with the reason.
    """

    forecasts: pl.DataFrame
    excluded: pl.DataFrame

    def save(self, folder: Path) -> None:
        """Write ``forecasts.parquet`` and ``excluded.parquet`` into the existing `folder`."""
        self.forecasts.write_parquet(folder / FORECASTS_FILE)
        self.excluded.write_parquet(folder / EXCLUDED_FILE)

    @classmethod
    def load(cls, folder: Path) -> FoldForecasts:
        """Read the files that `save` wrote into `folder`."""
        return cls(
            forecasts=pl.read_parquet(folder / FORECASTS_FILE),
            excluded=pl.read_parquet(folder / EXCLUDED_FILE),
        )


def forecast_fold(panel: Panel, fold: Fold, config: TrainingConfig) -> FoldForecasts:
    """Fit all models on a fold's training sessions, and forecast its test sessions.

    Every model forecasts the same rows: a ticker that one of the references refuses is left out for
    all, and reported.

    Parameters
    ----------
    panel
        All samples; what follows the fold does not change the result.
    fold
        From `WalkForward.split`.
    config
        What to fit.

    Raises
    ------
    NotEnoughHistoryError
        When no ticker is left, or there are too few rows to fit.
    """
    train = training_rows(panel, fold)
    if len(train) == 0:
        msg = f"fold {fold.index} must have training samples, got none; bring a longer history."
        raise NotEnoughHistoryError(msg)
    naive = NaiveModel().fit(panel, train)
    garch = GarchModel(config.garch, seed=config.seed).fit(panel, train)
    rows, excluded = _without_refused(panel, fold, {**garch.refused, **naive.refused})
    members = fit_members(panel, train, config)
    columns: dict[str, np.ndarray] = {}
    for member in (members.forest, members.lstm):
        moments = member.moments(panel, rows)
        columns |= {f"{member.name}_mean": moments.mean, f"{member.name}_scale": moments.scale}
    for reference in (naive, garch):
        forecast = reference.quantiles(panel, rows)
        columns[f"{reference.name}_mean"] = forecast.mean
        columns[f"{reference.name}_quantiles"] = forecast.quantiles
    return FoldForecasts(_tabulate(panel, fold, rows, columns), excluded)


def _without_refused(
    panel: Panel, fold: Fold, refused: Mapping[str, str]
) -> tuple[Rows, pl.DataFrame]:
    """Return the rows that every model forecasts, and the tickers that are left out."""
    rows = forecast_rows(panel, fold)
    tickers = panel.keys["ticker"].gather(rows)
    left_out = sorted(set(tickers.unique()) & set(refused))
    kept = rows[~tickers.is_in(left_out).to_numpy()]
    if len(kept) == 0:
        reasons = "; ".join(f"{ticker} {refused[ticker]}" for ticker in left_out)
        msg = f"fold {fold.index} must have a ticker to forecast, got none. {reasons}."
        raise NotEnoughHistoryError(msg)
    rows_out = [(fold.index, ticker, refused[ticker]) for ticker in left_out]
    return kept, pl.DataFrame(rows_out, schema=EXCLUDED_SCHEMA, orient="row")


def _tabulate(
    panel: Panel, fold: Fold, rows: Rows, columns: Mapping[str, np.ndarray]
) -> pl.DataFrame:
    """Return one long frame, a block of rows a horizon, without rows of unknown outcome."""
    unit = horizon_volatility(panel.volatility[rows], panel.horizons)
    blocks = [
        pl.DataFrame(
            {
                "fold": np.full(len(rows), fold.index),
                "ticker": panel.keys["ticker"].gather(rows),
                "as_of": panel.sample_sessions[rows],
                "target_session": panel.target_sessions[rows, place],
                "horizon": np.full(len(rows), horizon),
                "log_return": panel.log_returns[rows, place],
                "unit": unit[:, place],
                **{name: values[:, place] for name, values in columns.items()},
            },
            schema_overrides=FOLD_SCHEMA,
        )
        for place, horizon in enumerate(panel.horizons)
    ]
    known = pl.concat(blocks).filter(pl.col("log_return").is_finite())
    return known.select(FOLD_SCHEMA.names()).sort("ticker", "as_of", "horizon")
