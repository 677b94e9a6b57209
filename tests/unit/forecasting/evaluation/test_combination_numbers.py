"""Every number of a combination, compared with a recomputation by other libraries."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
import scoringrules
from support.forecasting.reference_weights import (
    LEVELS,
    reference_calibration,
    reference_loss,
)
from support.forecasting.unequal_folds import unequal_folds

from forecasting.distribution.levels import REPORTED_COLUMNS
from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import WalkForwardResult
from forecasting.horizons import HORIZONS
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import PRIOR, EnsembleWeights

REPORTED = [float(name.removeprefix("q")) / 100 for name in REPORTED_COLUMNS]


@cache
def combined() -> WalkForwardResult:
    return combine_folds(unequal_folds())


@cache
def past_rows(fold: int | None, horizon: int) -> pl.DataFrame:
    """Rows with outcomes known before `fold`, or all rows."""
    rows = pl.concat(part.forecasts for part in unequal_folds()).filter(horizon=horizon)
    if fold is None:
        return rows
    first = rows.filter(fold=fold)["as_of"].min()
    return rows.filter(pl.col("target_session") < first)


def weights_of(fold: int | None) -> EnsembleWeights:
    return combined().final_weights if fold is None else combined().weights[fold]


def members_scales(rows: pl.DataFrame) -> np.ndarray:
    return rows.select(f"{member}_scale" for member in MEMBERS).to_numpy()


def scale_of(rows: pl.DataFrame, model: str, fold: int | None) -> np.ndarray:
    """Scale of a model, with the weights of the result."""
    if model == "ewma":
        return rows["unit"].to_numpy()
    if model != "ensemble":
        return rows[f"{model}_scale"].to_numpy()
    [horizon] = rows["horizon"].unique()
    weights = weights_of(fold).scale[horizon]
    return np.prod(members_scales(rows) ** [weights[member] for member in MEMBERS], axis=1)


@cache
def calibration(model: str, fold: int | None) -> dict[int, np.ndarray]:
    residuals, sessions = {}, {}
    for horizon in HORIZONS:
        last = len(unequal_folds()) - 1
        training = unequal_folds()[last if fold is None else fold].training.filter(horizon=horizon)
        past = past_rows(fold, horizon).select(training.columns)
        rows = pl.concat([training, past])
        error = (rows["log_return"] - rows["location"]).to_numpy()
        residuals[horizon] = error / scale_of(rows, model, fold)
        sessions[horizon] = len(set(training["as_of"]) | set(past["as_of"]))
    return reference_calibration(residuals, sessions)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("fold", [2, None])
def test_weights_minimise_the_crps_in_units(fold: int | None, horizon: int) -> None:
    rows = past_rows(fold, horizon)
    unit = rows["unit"].to_numpy()
    prior = np.array([PRIOR[horizon][member] for member in MEMBERS])

    def loss(weights: np.ndarray) -> float:
        return reference_loss(
            weights,
            prior,
            outcome=rows["log_return"].to_numpy() / unit,
            location=rows["location"].to_numpy() / unit,
            scales=members_scales(rows) / unit[:, None],
        )

    weights = weights_of(fold).scale[horizon]
    learned = loss(np.array([weights[member] for member in MEMBERS]))
    others = np.random.default_rng(0).dirichlet(np.ones(len(MEMBERS)), size=60)
    assert learned < min(loss(other) for other in [prior, *np.eye(len(MEMBERS)), *others]) + 1e-5


def test_the_calibrated_residuals_are_skewed_with_mean_zero() -> None:
    """The example has skewed tails, so that a mirrored distribution is noticed."""
    for model in (*MEMBERS, "ensemble"):
        z = calibration(model, 1)[1]
        assert z.mean() == pytest.approx(0, abs=1e-12)
        assert -z[0] > 1.1 * z[-1]


def test_members_of_unequal_skill_get_unequal_weights() -> None:
    """The LSTM has the better scale, so exchanged members show."""
    final = combined().final_weights.scale
    assert final[1]["lstm"] > 2 * PRIOR[1]["lstm"]
    assert final[1]["student"] < PRIOR[1]["student"] / 2
    for horizon in HORIZONS:
        assert final[horizon] != pytest.approx(combined().weights[1].scale[horizon], abs=1e-3)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_final_quantiles_are_those_of_the_residuals_of_all_folds(horizon: int) -> None:
    expected = calibration("ensemble", None)[horizon]
    np.testing.assert_allclose(combined().conformal_quantiles[horizon], expected, rtol=1e-9)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("model", ["ewma", *MEMBERS, "ensemble"])
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_scored_forecasts_are_location_plus_scale_times_the_calibrated_residuals(
    fold: int, model: str, horizon: int
) -> None:
    key = ["ticker", "as_of"]
    rows = unequal_folds()[fold].forecasts.filter(horizon=horizon).sort(key)
    scored = combined().forecasts.filter(fold=fold, model=model, horizon=horizon).sort(key)
    location, scale = rows["location"].to_numpy(), scale_of(rows, model, fold)
    z = calibration(model, fold)[horizon]
    surface = location[:, None] + scale[:, None] * z
    np.testing.assert_allclose(scored["mean"], location, atol=1e-12)
    at = [int(np.argmin(abs(LEVELS - level))) for level in REPORTED]
    np.testing.assert_allclose(scored.select(REPORTED_COLUMNS), surface[:, at], atol=1e-12)
    crps = scoringrules.crps_quantile(rows["log_return"].to_numpy(), surface, LEVELS)
    np.testing.assert_allclose(scored["crps"], crps, atol=1e-12)
