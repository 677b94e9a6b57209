"""Out-of-sample forecasts of every model for one fold.

The result depends only on the panel, the fold and the configuration, so it can be stored and
reused. `forecasting.evaluation.combination` learns weights and calibration across folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from core.errors import NotEnoughHistoryError
from forecasting.distribution.levels import LEVELS
from forecasting.models.base import MEMBERS, REFERENCES, Rows
from forecasting.models.garch import GarchModel
from forecasting.models.naive import NaiveModel
from forecasting.models.training import FittedMembers, TrainingConfig, fit_members
from forecasting.models.z_space import horizon_volatility
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
    "location": pl.Float64,
    **{f"{member}_scale": pl.Float64 for member in MEMBERS},
    **{f"{reference}_mean": pl.Float64 for reference in REFERENCES},
    **{f"{reference}_quantiles": QUANTILES for reference in REFERENCES},
}
FOLD_SCHEMA = pl.Schema(_FOLD_COLUMNS)
# Columns of the training samples, from which the shape of the distribution is learned.
TRAINING_SCHEMA = pl.Schema(
    {
        name: kind
        for name, kind in _FOLD_COLUMNS.items()
        if name in {"ticker", "as_of", "horizon", "log_return", "unit", "location"}
        or name.endswith("_scale")
    }
)

FORECASTS_FILE, EXCLUDED_FILE = "forecasts.parquet", "excluded.parquet"
TRAINING_FILE = "training.parquet"


@dataclass(frozen=True, eq=False)
class FoldForecasts:
    """Forecasts of all models in one fold.

    Attributes
    ----------
    forecasts
        Frame with `FOLD_SCHEMA`: one row per (ticker, as_of, horizon) with a known outcome, sorted
        by these. Members have a scale and share the `location`, references have a mean and 199
        quantiles, all in units of the log return. `unit` is the volatility over the horizon.
    training
        Frame with `TRAINING_SCHEMA`: the members' scales for the samples they were fitted on.
    excluded
        Frame with `EXCLUDED_SCHEMA`: tickers without forecasts in this fold, with the reason.
    """

    forecasts: pl.DataFrame
    training: pl.DataFrame
    excluded: pl.DataFrame

    def save(self, folder: Path) -> None:
        """Write the three frames into the existing `folder`, as Parquet files."""
        self.forecasts.write_parquet(folder / FORECASTS_FILE)
        self.training.write_parquet(folder / TRAINING_FILE)
        self.excluded.write_parquet(folder / EXCLUDED_FILE)

    @classmethod
    def load(cls, folder: Path) -> FoldForecasts:
        """Read the files that `save` wrote into `folder`."""
        return cls(
            forecasts=pl.read_parquet(folder / FORECASTS_FILE),
            training=pl.read_parquet(folder / TRAINING_FILE),
            excluded=pl.read_parquet(folder / EXCLUDED_FILE),
        )


def forecast_fold(panel: Panel, fold: Fold, config: TrainingConfig) -> FoldForecasts:
    """Fit all models on the training sessions of a fold, and forecast its test sessions.

    All models forecast the same rows: a ticker that a reference cannot be fitted to is excluded for
    every model.

    Parameters
    ----------
    panel
        All samples. Samples after the fold do not change the result.
    fold
        Fold from `WalkForward.split`.
    config
        Configuration of the models.

    Raises
    ------
    NotEnoughHistoryError
        When no ticker remains, or when there are too few samples to fit.
    """
    train = training_rows(panel, fold)
    if len(train) == 0:
        msg = f"fold {fold.index} must have training samples, got 0; provide a longer history."
        raise NotEnoughHistoryError(msg)
    naive = NaiveModel().fit(panel, train)
    garch = GarchModel(config.garch, seed=config.seed).fit(panel, train)
    rows, excluded = _common_rows(panel, fold, {**garch.unfitted, **naive.unfitted})
    members = fit_members(panel, train, config)
    columns = _members_columns(members, panel, rows, config)
    for reference in (naive, garch):
        forecast = reference.quantiles(panel, rows)
        columns[f"{reference.name}_mean"] = forecast.mean
        columns[f"{reference.name}_quantiles"] = forecast.quantiles
    training = _to_frame(panel, fold, train, _members_columns(members, panel, train, config))
    return FoldForecasts(
        forecasts=_to_frame(panel, fold, rows, columns).select(FOLD_SCHEMA.names()),
        training=training.select(TRAINING_SCHEMA.names()),
        excluded=excluded,
    )


def _members_columns(
    members: FittedMembers, panel: Panel, rows: Rows, config: TrainingConfig
) -> dict[str, np.ndarray]:
    """Return the location and the scale of each member, (n, H) by column name."""
    location = config.mean_log_return * np.asarray(panel.horizons, dtype=np.float64)
    scales = {f"{name}_scale": m.scales(panel, rows) for name, m in members.by_name.items()}
    return {"location": np.tile(location, (len(rows), 1)), **scales}


def _common_rows(
    panel: Panel, fold: Fold, unfitted: Mapping[str, str]
) -> tuple[Rows, pl.DataFrame]:
    """Return the rows that every model forecasts, and the excluded tickers."""
    rows = forecast_rows(panel, fold)
    tickers = panel.keys["ticker"].gather(rows)
    excluded = sorted(set(tickers.unique()) & set(unfitted))
    common = rows[~tickers.is_in(excluded).to_numpy()]
    if len(common) == 0:
        reasons = "; ".join(f"{ticker} {unfitted[ticker]}" for ticker in excluded)
        msg = f"fold {fold.index} must have a ticker to forecast, got none. {reasons}."
        raise NotEnoughHistoryError(msg)
    records = [(fold.index, ticker, unfitted[ticker]) for ticker in excluded]
    return common, pl.DataFrame(records, schema=EXCLUDED_SCHEMA, orient="row")


def _to_frame(
    panel: Panel, fold: Fold, rows: Rows, columns: Mapping[str, np.ndarray]
) -> pl.DataFrame:
    """Return one long frame of all horizons, without rows of unknown outcome."""
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
    scorable = pl.concat(blocks).filter(pl.col("log_return").is_finite())
    return scorable.sort("ticker", "as_of", "horizon")
