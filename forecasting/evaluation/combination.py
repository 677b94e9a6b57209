"""Combination of the folds' forecasts into calibrated ensemble forecasts.

Weights of a scored fold are learned from forecasts of earlier folds with outcomes that were known
before the first as-of session of the fold. Quantiles are learned from these forecasts and from the
training samples of the fold.
`forecasting.evaluation.walk_forward` fits the models, `forecasting.evaluation.scorecard` scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.distribution.conformal import MIN_RESIDUALS, calibrate
from forecasting.distribution.levels import LEVELS, REPORTED_COLUMNS, REPORTED_INDEX
from forecasting.distribution.predictive import cdf_of_surface, quantile_surface
from forecasting.evaluation.result import ENSEMBLE, KEY, WalkForwardResult
from forecasting.evaluation.walk_forward import (
    EXCLUDED_SCHEMA,
    TRAINING_SCHEMA,
    FoldForecasts,
)
from forecasting.evaluation.weight_learning import PastForecasts, learn_weights
from forecasting.models.base import EWMA, MEMBERS, PEERS, REFERENCES
from forecasting.models.ensemble import PRIOR, EnsembleWeights, combine_scales
from forecasting.scoring.metrics import crps_from_quantiles

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Calibration:
    """Weights, and the quantiles of Z by model and horizon, learned from one set of forecasts."""

    weights: EnsembleWeights
    z_quantiles: dict[str, dict[int, Array]]


def combine_folds(results: Sequence[FoldForecasts]) -> WalkForwardResult:
    """Combine and calibrate the forecasts of the folds in time order.

    Fold 0, the burn-in, only provides outcomes to learn from; its forecasts are not scored.

    Parameters
    ----------
    results
        Results of `forecast_fold` for every fold of one walk-forward, in any order.

    Raises
    ------
    NotEnoughHistoryError
        When no fold has enough known outcomes before it for calibration.
    ForecastError
        When `results` does not contain folds 0, 1, 2 and so on, each once.
    """
    rows = pl.concat([result.forecasts for result in results]).sort("fold", "as_of", "ticker")
    folds = rows["fold"].unique().sort().to_list()
    if folds != list(range(len(results))) or len(results) <= 1:
        msg = f"`results` must contain folds 0, 1 and so on, each once, got {folds}."
        raise ForecastError(msg)
    training = {fold: r.training for r in results for fold in r.forecasts["fold"].unique()}
    calibrations, excluded = _calibrate_folds(rows, training, folds[1:])
    scored = [_score_fold(rows.filter(fold=fold), calibrations[fold]) for fold in calibrations]
    final = _learn_calibration(rows, training[folds[-1]])
    return WalkForwardResult(
        forecasts=pl.concat(scored).sort(*KEY, "model"),
        weights={fold: calibration.weights for fold, calibration in calibrations.items()},
        final_weights=final.weights,
        conformal_quantiles=final.z_quantiles[ENSEMBLE],
        excluded=pl.concat([*(result.excluded for result in results), excluded]),
    )


def _calibrate_folds(
    rows: pl.DataFrame, training: Mapping[int, pl.DataFrame], folds: Sequence[int]
) -> tuple[dict[int, _Calibration], pl.DataFrame]:
    """Return the calibration of each fold, and the folds without enough known outcomes."""
    calibrations: dict[int, _Calibration] = {}
    excluded: list[tuple[int, None, str]] = []
    for fold in folds:
        past = _rows_known_before(rows, fold)
        fewest = min(past.filter(horizon=h).height for h in rows["horizon"].unique())
        if fewest < MIN_RESIDUALS:
            reason = f"only {fewest} outcomes were known before it; {MIN_RESIDUALS} needed"
            excluded.append((fold, None, reason))
        else:
            calibrations[fold] = _learn_calibration(past, training[fold])
    if not calibrations:
        msg = (
            f"`test_size` must leave {MIN_RESIDUALS} known outcomes before at least one scored "
            "fold, got fewer before each; provide a longer history or more tickers."
        )
        raise NotEnoughHistoryError(msg)
    return calibrations, pl.DataFrame(excluded, schema=EXCLUDED_SCHEMA, orient="row")


def _rows_known_before(rows: pl.DataFrame, fold: int) -> pl.DataFrame:
    """Return the forecasts of earlier folds with an outcome known before `fold` began.

    The last forecasts of the preceding fold are not included, because their targets are inside
    `fold`.
    """
    first = pl.lit(rows.filter(fold=fold)["as_of"].min(), pl.Date)
    return rows.filter((pl.col("fold") < fold) & (pl.col("target_session") < first))


def _learn_calibration(past: pl.DataFrame, training: pl.DataFrame) -> _Calibration:
    """Learn weights from past forecasts, and quantiles of Z also from the training samples.

    One burn-in period says little about other times, so the shape is learned from all samples with
    known outcomes, each with the same weight.
    """
    by_horizon = {h: past.filter(horizon=h) for h in past["horizon"].unique().sort()}
    weights = EnsembleWeights(
        {h: learn_weights(_in_units(rows), PRIOR[h]) for h, rows in by_horizon.items()}
    )
    residuals: dict[str, dict[int, Array]] = {model: {} for model in (*PEERS, *MEMBERS, ENSEMBLE)}
    sessions = {}
    for horizon, rows in by_horizon.items():
        known = pl.concat([part.select(TRAINING_SCHEMA.names()) for part in (training, rows)])
        known = known.filter(horizon=horizon)
        sessions[horizon] = known["as_of"].n_unique()
        error = (known["log_return"] - known["location"]).to_numpy()
        for model, scale in _scales(known, weights, horizon):
            residuals[model][horizon] = error / scale
    z_quantiles = {
        model: calibrate(of_model, sessions, LEVELS) for model, of_model in residuals.items()
    }
    return _Calibration(weights, z_quantiles)


def _in_units(rows: pl.DataFrame) -> PastForecasts:
    unit = rows["unit"].to_numpy()
    return PastForecasts(
        outcome=rows["log_return"].to_numpy() / unit,
        location=rows["location"].to_numpy() / unit,
        scale={member: rows[f"{member}_scale"].to_numpy() / unit for member in MEMBERS},
    )


def _scales(
    rows: pl.DataFrame, weights: EnsembleWeights, horizon: int
) -> Iterator[tuple[str, Array]]:
    """Yield name and scale of each peer, each member and the ensemble at one horizon."""
    yield EWMA, rows["unit"].to_numpy()
    scales = {member: rows[f"{member}_scale"].to_numpy() for member in MEMBERS}
    yield from scales.items()
    yield ENSEMBLE, combine_scales(weights.scale[horizon], scales)


def _score_fold(test: pl.DataFrame, calibration: _Calibration) -> pl.DataFrame:
    """Return the scored forecasts of every model for the rows of one fold."""
    blocks = []
    for horizon in test["horizon"].unique().sort():
        rows = test.filter(horizon=horizon)
        for reference in REFERENCES:
            quantiles = rows[f"{reference}_quantiles"].to_numpy()
            mean = rows[f"{reference}_mean"].to_numpy()
            blocks.append(_scored_frame(rows, reference, mean, quantiles))
        location = rows["location"].to_numpy()
        for model, scale in _scales(rows, calibration.weights, horizon):
            surface = quantile_surface(location, scale, calibration.z_quantiles[model][horizon])
            blocks.append(_scored_frame(rows, model, location, surface))
    return pl.concat(blocks)


def _scored_frame(test: pl.DataFrame, model: str, mean: Array, quantiles: Array) -> pl.DataFrame:
    outcome = test["log_return"].to_numpy()
    reported = quantiles[:, REPORTED_INDEX]
    return test.select(
        *KEY,
        pl.lit(model).alias("model"),
        pl.Series("mean", mean),
        *(pl.Series(name, reported[:, i]) for i, name in enumerate(REPORTED_COLUMNS)),
        "log_return",
        pl.Series("crps", crps_from_quantiles(outcome, quantiles, LEVELS)),
        pl.Series("probability_up", 1 - cdf_of_surface(np.zeros(test.height), quantiles, LEVELS)),
        pl.Series("pit", cdf_of_surface(outcome, quantiles, LEVELS)),
    )
