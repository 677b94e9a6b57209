"""From the folds' forecasts to calibrated distributions, with weights that were learnt before.

For each scored fold, weights and conformal quantiles are learnt from the forecasts of earlier folds
whose outcome was known before the fold's first as-of session. Fitting models does not belong here,
nor do metrics (`forecasting.evaluation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.ensemble import EnsembleWeights, PastForecasts, learn_weights, weighted
from forecasting.intervals import MIN_RESIDUALS, conformal_quantiles, quantile_surface
from forecasting.levels import LEVELS, REPORTED_COLUMNS, REPORTED_INDEX
from forecasting.metrics import crps_from_quantiles
from forecasting.models.base import MEMBERS, REFERENCES
from forecasting.walk_forward import EXCLUDED_SCHEMA, FoldForecasts
from market.errors import ForecastError, NotEnoughHistoryError

Array = npt.NDArray[np.float64]

ENSEMBLE = "ensemble"
MODELS = (*REFERENCES, *MEMBERS, ENSEMBLE)
KEY = ["ticker", "as_of", "target_session", "horizon", "fold"]
BURN_IN = 0


@dataclass(frozen=True, eq=False)
class WalkForwardResult:
    """Scored forecasts of all models, and what production takes over from them.

    Attributes
    ----------
    forecasts
        A row a (ticker, as_of, horizon, model): `KEY`, `model`, `mean` (of the distribution), the
        reported quantiles (``q0.5`` to ``q99.5``), `log_return` as realised, and `crps` over all
        199 levels. The burn-in fold is not among them. All models have the same rows.
    weights
        Scored fold -> the weights it was forecast with.
    final_weights, conformal_quantiles
        Learnt from all folds: the ensemble's weights, and per horizon the 199 quantiles of its
        standardised residuals.
    excluded
        `EXCLUDED_SCHEMA`: what was not forecast, and why; null stands for all tickers or horizons.
    """

    forecasts: pl.DataFrame
    weights: dict[int, EnsembleWeights]
    final_weights: EnsembleWeights
    conformal_quantiles: dict[int, Array]
    excluded: pl.DataFrame


@dataclass(frozen=True, eq=False)
class _Calibrated:
    """Weights and conformal quantiles of one horizon, learnt from one set of past forecasts."""

    mean_weights: dict[str, float]
    scale_weights: dict[str, float]
    z_quantiles: dict[str, Array]

    def moments(self, rows: pl.DataFrame) -> Iterator[tuple[str, Array, Array]]:
        """Give name, location and scale of each member and of the ensemble."""
        mean = {member: rows[f"{member}_mean"].to_numpy() for member in MEMBERS}
        scale = {member: rows[f"{member}_scale"].to_numpy() for member in MEMBERS}
        for member in MEMBERS:
            yield member, mean[member], scale[member]
        yield ENSEMBLE, weighted(self.mean_weights, mean), weighted(self.scale_weights, scale)


def combine_folds(results: Sequence[FoldForecasts]) -> WalkForwardResult:
    """Weigh and calibrate the folds in time order; fold 0 only seeds and is not scored.

    Raises
    ------
    NotEnoughHistoryError
        When a horizon has too few known outcomes to calibrate any fold.
    ForecastError
        When the folds are not those of one walk-forward: 0, 1, 2 and so on, each once.
    """
    rows = pl.concat([result.forecasts for result in results]).sort("fold", "as_of", "ticker")
    folds = rows["fold"].unique().sort().to_list()
    if folds != list(range(len(results))) or len(results) <= 1:
        msg = f"`results` must hold folds 0, 1 and so on, each once, got {folds}."
        raise ForecastError(msg)
    horizons = rows["horizon"].unique().sort().to_list()
    scored: list[pl.DataFrame] = []
    refused: list[tuple[int, None, int, str]] = []
    learnt: dict[int, dict[int, _Calibrated]] = {fold: {} for fold in folds[1:]}
    for horizon in horizons:
        of_horizon = rows.filter(horizon=horizon)
        for fold in folds[1:]:
            test = of_horizon.filter(fold=fold)
            past = of_horizon.filter(
                (pl.col("fold") < fold) & (pl.col("target_session") < _first_session(rows, fold))
            )
            if past.height < MIN_RESIDUALS:
                reason = f"only {past.height} outcomes known before it; {MIN_RESIDUALS} calibrate"
                refused.append((fold, None, horizon, reason))
                continue
            learnt[fold][horizon] = _calibrate(past)
            scored.extend(_score(test, learnt[fold][horizon]))
    _check_scored(scored, horizons)
    final = {h: _calibrate(rows.filter(horizon=h)) for h in horizons}
    return WalkForwardResult(
        forecasts=pl.concat(scored).sort(*KEY, "model"),
        weights={fold: _weights(by_horizon) for fold, by_horizon in learnt.items()},
        final_weights=_weights(final),
        conformal_quantiles={h: final[h].z_quantiles[ENSEMBLE] for h in horizons},
        excluded=pl.concat(
            [
                *(result.excluded for result in results),
                pl.DataFrame(refused, schema=EXCLUDED_SCHEMA, orient="row"),
            ]
        ),
    )


def _first_session(rows: pl.DataFrame, fold: int) -> pl.Expr:
    """Return the first as-of session of a fold, over all horizons."""
    return pl.lit(rows.filter(fold=fold)["as_of"].min(), pl.Date)


def _calibrate(past: pl.DataFrame) -> _Calibrated:
    """Learn weights and conformal quantiles of one horizon from forecasts with known outcomes."""
    unit = past["unit"].to_numpy()
    mean_weights, scale_weights = learn_weights(
        PastForecasts(
            horizon=past["horizon"][0],
            sessions=past["as_of"].to_numpy(),
            outcome=past["log_return"].to_numpy() / unit,
            mean={member: past[f"{member}_mean"].to_numpy() / unit for member in MEMBERS},
            scale={member: past[f"{member}_scale"].to_numpy() / unit for member in MEMBERS},
        )
    )
    outcome = past["log_return"].to_numpy()
    moments = _Calibrated(mean_weights, scale_weights, {}).moments(past)
    quantiles = {
        model: conformal_quantiles((outcome - mean) / scale, LEVELS)
        for model, mean, scale in moments
    }
    return _Calibrated(mean_weights, scale_weights, quantiles)


def _score(test: pl.DataFrame, calibrated: _Calibrated) -> Iterator[pl.DataFrame]:
    """Give the scored forecasts of every model for the same rows."""
    for reference in REFERENCES:
        mean = test[f"{reference}_mean"].to_numpy()
        yield _report(test, reference, mean, test[f"{reference}_quantiles"].to_numpy())
    for model, location, scale in calibrated.moments(test):
        z_quantiles = calibrated.z_quantiles[model]
        mean = location + scale * z_quantiles.mean()
        yield _report(test, model, mean, quantile_surface(location, scale, z_quantiles))


def _report(test: pl.DataFrame, model: str, mean: Array, quantiles: Array) -> pl.DataFrame:
    outcome = test["log_return"].to_numpy()
    reported = quantiles[:, REPORTED_INDEX]
    return test.select(
        *KEY,
        pl.lit(model).alias("model"),
        pl.Series("mean", mean),
        *(pl.Series(name, reported[:, i]) for i, name in enumerate(REPORTED_COLUMNS)),
        "log_return",
        pl.Series("crps", crps_from_quantiles(outcome, quantiles, LEVELS)),
    )


def _check_scored(scored: Sequence[pl.DataFrame], horizons: Sequence[int]) -> None:
    missing = set(horizons) - {frame["horizon"][0] for frame in scored if frame.height}
    if missing:
        msg = (
            f"`test_size` must leave {MIN_RESIDUALS} outcomes known before some scored fold, got "
            f"fewer at horizon {sorted(missing)}; bring a longer history or more tickers."
        )
        raise NotEnoughHistoryError(msg)


def _weights(by_horizon: dict[int, _Calibrated]) -> EnsembleWeights:
    return EnsembleWeights(
        mean={horizon: learnt.mean_weights for horizon, learnt in by_horizon.items()},
        scale={horizon: learnt.scale_weights for horizon, learnt in by_horizon.items()},
    )
